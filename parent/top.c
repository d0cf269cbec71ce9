/*
 * posternctl top: who moves how much just now, as a screen that is drawn anew
 * every second or, where stdout is no terminal, as tables one after the
 * other. What is shown of the daemon's words is filtered like all of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "parent/ctl_client.h"
#include "parent/posternctl.h"
#include "parent/top_sample.h"

#define INTERVAL_S 1

#define ROWS_DEFAULT 24 /* of a terminal that does not say */
#define ROWS_OF_TEXT 20 /* of one table, unless it is wide */
#define ROWS_BESIDE  6  /* of a screen, which are no entries */
#define SHORT_ID     8

/*
 * Another screen than that with the operator's lines; no cursor, and what is
 * too long for it is cut by the terminal itself. And back.
 */
static const char enter_screen[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave_screen[] = "\033[?7h\033[?25h\033[?1049l";

struct view {
	bool wide, screen;
	struct top_sample old, new;
};

/* The screen. */

static void
write_to_terminal(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

/* The signal does what it does by default, and finds a terminal in order. */
static void
on_ending(int signal_number)
{
	write_to_terminal(leave_screen);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void catch_signal(int, void (*)(int));

static void
on_suspension(int signal_number)
{
	const int saved = errno;

	write_to_terminal(leave_screen);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	/* Somebody has sent SIGCONT. */
	catch_signal(signal_number, on_suspension);
	write_to_terminal(enter_screen);
	errno = saved;
}

/* It ends the wait, after which the screen is drawn. */
static void
on_resize(int signal_number)
{
	(void)signal_number;
}

/* Also in its own handler; of the calls that wait only nanosleep(2) ends. */
static void
catch_signal(int signal_number, void (*handler)(int))
{
	struct sigaction action = {
		.sa_handler = handler,
		.sa_flags = SA_NODEFER | SA_RESTART,
	};

	sigemptyset(&action.sa_mask);
	sigaction(signal_number, &action, NULL);
}

static void
close_screen(void)
{
	before_last_words = NULL;
	fflush(stdout);
	write_to_terminal(leave_screen);
}

static void
open_screen(void)
{
	catch_signal(SIGHUP, on_ending);
	catch_signal(SIGINT, on_ending);
	catch_signal(SIGQUIT, on_ending);
	catch_signal(SIGTERM, on_ending);
	catch_signal(SIGTSTP, on_suspension);
	catch_signal(SIGWINCH, on_resize);
	before_last_words = close_screen;
	setvbuf(stdout, NULL, _IOFBF, 65536);
	write_to_terminal(enter_screen);
	write_to_terminal("\033[Hmeasuring\n");
}

static bool
is_a_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term != NULL && term[0] != '\0' &&
	    strcmp(term, "dumb") != 0;
}

static size_t
screen_rows(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_row == 0)
		return ROWS_DEFAULT;
	return size.ws_row;
}

/* Tables. */

static void
end_row(const struct view *v)
{
	fputs(v->screen ? "\033[K\n" : "\n", stdout);
}

/* In at most six columns. */
static const char *
format_rate(double rate, char to[16])
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	while (rate >= 999.95 && unit + 2 < sizeof(units)) {
		rate /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(to, 16, "%.0f", rate);
	else
		snprintf(to, 16, "%.1f%c", rate, units[unit]);
	return to;
}

static void
print_rate(const struct view *v, const struct top_rate *r)
{
	const int columns = v->wide ? TOP_ID_LEN : SHORT_ID;
	char from[16], to[16], packets[16];

	printf("%-*.*s ", columns, columns,
	    top_is_rest(r->entry) ? "-" : r->entry->id);
	print_shown(r->entry->name, r->entry->name_len);
	printf("%10s %10s %10s", format_rate(r->from_bits, from),
	    format_rate(r->to_bits, to), format_rate(r->packets, packets));
	end_row(v);
}

static void
print_rates(const struct view *v, const char *what, const char *called,
    const struct top_rate *rates, size_t count, size_t rows)
{
	end_row(v);
	printf("%-*s %-32s %10s %10s %10s", v->wide ? TOP_ID_LEN : SHORT_ID,
	    what, called, "from bit/s", "to bit/s", "packets/s");
	end_row(v);
	for (size_t i = 0; i < count && i < rows; i++)
		print_rate(v, &rates[i]);
	if (count > rows && !v->screen)
		printf("and %zu more\n", count - rows);
}

static void
print_summary(const struct view *v)
{
	const struct top_rate all = top_rate_of_all(&v->old, &v->new);
	char clock[16] = "", from[16], to[16], packets[16];
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S  ", &tm);
	printf("%s%zu client%s: from them %s bit/s, to them %s, %s packets/s",
	    clock, v->new.clients, v->new.clients == 1 ? "" : "s",
	    format_rate(all.from_bits, from), format_rate(all.to_bits, to),
	    format_rate(all.packets, packets));
	end_row(v);
}

/* How many entries of each kind there is room for. */
static void
divide_rows(
    const struct view *v, size_t clients, size_t *of_clients, size_t *rest)
{
	size_t resources = v->new.count - clients, rows, room;

	if (!v->screen) {
		*of_clients = *rest = v->wide ? SIZE_MAX : ROWS_OF_TEXT;
		return;
	}
	rows = screen_rows();
	room = rows > ROWS_BESIDE ? rows - ROWS_BESIDE : 0;
	*rest = room - room / 2;
	if (clients < room / 2)
		*rest = room - clients;
	if (resources < *rest)
		*rest = resources;
	*of_clients = room - *rest;
}

static void
show_rates(const struct view *v)
{
	struct top_rate *rates = calloc(v->new.count + 1, sizeof(*rates));
	size_t of_clients, of_resources, count;

	if (rates == NULL)
		exit_saying("no memory");
	divide_rows(v, v->new.clients, &of_clients, &of_resources);
	if (v->screen)
		fputs("\033[H", stdout);
	print_summary(v);
	count = top_rates(&v->old, &v->new, false, rates);
	print_rates(v, "client", "who", rates, count, of_clients);
	count = top_rates(&v->old, &v->new, true, rates);
	print_rates(v, "resource", "name", rates, count, of_resources);
	fputs(v->screen ? "\033[J" : "\n", stdout);
	free(rates);
	if (fflush(stdout) == EOF && errno != EINTR)
		exit_saying("cannot write: %s", strerror(errno));
}

/* Samples. */

struct collected {
	char *bytes;
	size_t len, size;
};

static void
collect_answer(void *ctx, const char *bytes, size_t len)
{
	struct collected *c = ctx;

	if (len > CTL_ANSWER_MAX - c->len)
		exit_saying("the answer is too long");
	if (c->len + len >= c->size) {
		c->size = 2 * (c->len + len) + 1;
		if ((c->bytes = realloc(c->bytes, c->size)) == NULL)
			exit_saying("no memory");
	}
	memcpy(c->bytes + c->len, bytes, len);
	c->len += len;
}

static void
take_sample(const char *socket, bool wide, struct top_sample *to)
{
	struct collected c = { NULL, 0, 0 };
	int status;

	collect_answer(&c, "", 0);
	status = ask_daemon(
	    socket, wide ? "top wide\n" : "top text\n", collect_answer, &c);
	if (status == EXIT_USAGE)
		exit_saying("posternd says no: may this user ask?");
	if (!top_sample_parse(to, c.bytes, c.len))
		exit_saying("posternd says what this program does not know: "
			    "are both of one version?");
	if (to->problem != NULL)
		exit_saying("%s", to->problem);
}

/* For so long; the screen is drawn anew when its size has changed. */
static void
wait_for_sample(const struct view *v, bool drawn)
{
	struct timespec left = { .tv_sec = INTERVAL_S };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		if (v->screen && drawn)
			show_rates(v);
}

int
show_top(const char *socket, bool wide, unsigned long count)
{
	struct view v = { .wide = wide, .screen = is_a_screen() };

	take_sample(socket, wide, &v.new);
	if (v.screen)
		open_screen();
	for (unsigned long n = 0; count == 0 || n < count; n++) {
		wait_for_sample(&v, n > 0);
		top_sample_free(&v.old);
		v.old = v.new;
		take_sample(socket, wide, &v.new);
		show_rates(&v);
	}
	if (v.screen)
		close_screen();
	top_sample_free(&v.old);
	top_sample_free(&v.new);
	return 0;
}
