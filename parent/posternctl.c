/*
 * posternctl: shows an operator what a running posternd does. It asks the
 * control-worker, through the socket that the parent has made, and prints the
 * answer; what is unprintable in it, or would move a terminal's cursor, is not
 * passed on. The answer also says with which status to exit, and what is wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/drain.h"
#include "parent/ctl_client.h"
#include "parent/debug_report.h"
#include "parent/options.h"
#include "parent/posternctl.h"
#include "parent/shown_text.h"

#define REQUEST_MAX 768
#define COUNT_MAX   1000000 /* of tables of top */

enum { OPTION_CANCEL = 256, OPTION_WITHIN };

/* Of whatever goes wrong; of explain, 1 means something else. */
static int failure = 1;

void (*before_last_words)(void);

/* It may quote the daemon. */
void
exit_saying(const char *fmt, ...)
{
	struct shown_text shown = { 0 };
	char text[2048] = "";
	va_list ap;

	if (before_last_words != NULL)
		before_last_words();
	fflush(stdout);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "posternctl: ");
	shown_text_print(stderr, &shown, text, strlen(text));
	shown_text_end(stderr, &shown);
	fprintf(stderr, "\n");
	exit(failure);
}

static void
print_usage(FILE *to)
{
	fprintf(to,
	    "usage: posternctl [-fjw] [-n count] [-s socket] command\n"
	    "       posternctl [-m] [-o file] [-s socket] debug\n"
	    "       posternctl [-j] [-s socket] [--cancel | --within time] "
	    "drain\n"
	    "       posternctl --help | --version\n");
}

static void
print_help(void)
{
	print_usage(stdout);
	printf(
	    "\n"
	    "  status    can clients be served? With relays and clients\n"
	    "  clients [CLIENT]\n"
	    "            who has access, and by which path; of one, to what\n"
	    "  debug     all that a report of a bug needs, in a file\n"
	    "  drain [--cancel | --within TIME]\n"
	    "            no new clients, and an end when none is connected, or "
	    "in an\n"
	    "            hour, or in that time; --cancel: it goes on\n"
	    "  explain CLIENT PROTOCOL DESTINATION[:PORT]\n"
	    "            would a packet of the client pass, and why not?\n"
	    "  flows [CLIENT]\n"
	    "            the flows that are open; with -f those that begin and "
	    "end\n"
	    "  log LEVEL error, warn, info, debug or trace, for now; never "
	    "less\n"
	    "            than posternd was started with\n"
	    "  netcheck  what the network allows, and what is wrong with it\n"
	    "  relays    where clients that are not in reach meet us\n"
	    "  resources what clients are granted\n"
	    "  top       who moves how much just now, and by which resource\n"
	    "\n"
	    "  -f, --follow         flows as they begin and end, until "
	    "interrupted\n"
	    "  -j, --json           print one JSON object\n"
	    "  -m, --mask           debug: no addresses, ids and names\n"
	    "  -n, --count COUNT    end after so many tables of top\n"
	    "  -o, --output FILE    debug: a new file, or - for standard "
	    "output\n"
	    "  -s, --socket SOCKET  of posternd (" CTL_SOCKET ")\n"
	    "  -w, --wide           do not keep to 80 columns\n"
	    "  -h, --help\n"
	    "  -V, --version\n"
	    "\n"
	    "CLIENT is an id, an e-mail address, a name, the beginning of one, "
	    "or a tunnel\n"
	    "address; PROTOCOL is tcp, udp, icmp or a number.\n"
	    "It exits 0 when all is well, 1 without an answer or with a part "
	    "of one, 2 when\n"
	    "an argument is wrong or nobody may ask; explain 0 if it would "
	    "pass, 1 if not,\n"
	    "else 2; netcheck 3 when something is not ok. What is wrong is "
	    "said "
	    "on standard\n"
	    "error.\n"
	    "See posternctl(8).\n");
}

void
print_shown(const char *bytes, size_t len)
{
	struct shown_text t = { 0 };

	shown_text_print(stdout, &t, bytes, len);
	shown_text_end(stdout, &t);
}

static void
print_part(void *ctx, const char *bytes, size_t len)
{
	shown_text_print(stdout, ctx, bytes, len);
}

/* At once, whoever reads it; but for the signs of life. */
static void
print_following_lines(void *ctx, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != CTL_ALIVE)
			shown_text_print(stdout, ctx, &bytes[i], 1);
	if (fflush(stdout) == EOF)
		exit_saying("cannot write: %s", strerror(errno));
}

/*
 * What an answer is made of: text, a NUL and, unless all is well, a digit and
 * what is wrong.
 */
struct reply {
	bool ended;  /* all of the text has come */
	bool judged; /* the digit has, too */
	int status;
	char problem[2048]; /* the rest of a longer one is not shown */
	size_t problem_length;
	/* An older daemon has no status, and does not know every request. */
	char first[32];
	size_t length;
	void (*take)(void *ctx, const char *bytes, size_t len);
	void *ctx;
};

/* Up to its end, which is counted. */
static size_t
take_text(struct reply *r, const char *bytes, size_t len)
{
	const char *end = memchr(bytes, '\0', len);
	size_t text = end == NULL ? len : (size_t)(end - bytes);
	size_t room = sizeof(r->first) - 1;

	if (r->length < room)
		memcpy(r->first + r->length, bytes,
		    text < room - r->length ? text : room - r->length);
	r->length += text;
	if (text > 0)
		r->take(r->ctx, bytes, text);
	r->ended = end != NULL;
	return text + r->ended;
}

static void
take_reply(struct reply *r, const char *bytes, size_t len)
{
	size_t at = r->ended ? 0 : take_text(r, bytes, len);
	size_t room = sizeof(r->problem) - 1 - r->problem_length;

	if (!r->judged && at < len) {
		r->judged = true;
		if (bytes[at] >= '0' && bytes[at] <= '9')
			r->status = bytes[at] - '0';
		at++;
	}
	if (room > len - at)
		room = len - at;
	memcpy(r->problem + r->problem_length, bytes + at, room);
	r->problem_length += room;
}

static void
print_problem(const struct reply *r)
{
	struct shown_text t = { 0 };

	if (r->problem_length == 0)
		return;
	fprintf(stderr, "posternctl: ");
	shown_text_print(stderr, &t, r->problem, r->problem_length);
	if (r->problem[r->problem_length - 1] != '\n')
		fprintf(stderr, "\n");
}

/* One from before there was a status says so by text. */
static bool
is_of_older_daemon(const struct reply *r)
{
	return strcmp(r->first, "unknown request\n") == 0 ||
	    strcmp(r->problem, "unknown request") == 0;
}

/* The status to exit with. */
static int
receive_answer(int fd, struct reply *reply)
{
	char bytes[16384];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			exit_saying("posternd does not answer; is it "
				    "starting, or stuck?");
		if (n == -1)
			exit_saying(
			    "cannot read the answer: %s", strerror(errno));
		take_reply(reply, bytes, (size_t)n);
	}
	if (!reply->ended)
		exit_saying("posternd broke the answer off; is it ending?");
	if (is_of_older_daemon(reply))
		exit_saying("posternd is older than this program, and has to "
			    "be started again");
	if (fflush(stdout) == EOF)
		exit_saying("cannot write: %s", strerror(errno));
	print_problem(reply);
	return reply->status;
}

int
ask_daemon(const char *path, const char *request,
    void (*take)(void *ctx, const char *bytes, size_t len), void *ctx)
{
	struct reply reply = { .take = take, .ctx = ctx };
	char why[512];
	int fd = ctl_ask(path, request, why, sizeof(why)), status;

	if (fd == -1) {
		if (errno == EACCES || errno == EPERM)
			failure = EXIT_USAGE;
		exit_saying("%s", why);
	}
	status = receive_answer(fd, &reply);
	close(fd);
	return status;
}

static int
print_answer(const char *path, const char *request, bool follow)
{
	struct shown_text t = { 0 };

	return ask_daemon(
	    path, request, follow ? print_following_lines : print_part, &t);
}

/* What is asked for, but for the command. */
struct question {
	const char *socket, *form;
	bool follow, mask;
	const char *output;  /* NULL: a name of its own */
	unsigned long count; /* of tables; 0: no end is given */
	bool cancel;         /* of drain */
	const char *within;  /* NULL: not given */
};

static int
make_drain_request(char *to, size_t size, const struct question *q)
{
	uint64_t ms = DRAIN_WITHIN_DEFAULT * UINT64_C(1000);

	if (q->cancel)
		return snprintf(to, size, "drain %s cancel\n", q->form);
	if (q->within != NULL)
		(void)options_parse_duration(q->within, &ms);
	return snprintf(to, size, "drain %s %llu\n", q->form,
	    (unsigned long long)(ms / 1000));
}

/* How many arguments each takes. */
static const struct command {
	const char *name;
	int least, most;
	const char *arguments;
} commands[] = {
	{ "clients", 0, 1, "[CLIENT]" },
	{ "debug", 0, 0, "no argument" },
	{ "drain", 0, 0, "no argument" },
	{ "explain", 3, 3, "CLIENT PROTOCOL DESTINATION[:PORT]" },
	{ "flows", 0, 1, "[CLIENT]" },
	{ "log", 1, 1, "LEVEL" },
	{ "netcheck", 0, 0, "no argument" },
	{ "relays", 0, 0, "no argument" },
	{ "resources", 0, 0, "no argument" },
	{ "status", 0, 0, "no argument" },
	{ "top", 0, 0, "no argument" },
};

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static bool
has_right_count(const struct command *c, int arguments)
{
	return arguments >= c->least && arguments <= c->most;
}

/* A client's name may have blanks, what stands before it not; -1: it has. */
static int
make_explain_request(char *to, size_t size, const char *form, char **argv)
{
	failure = EXIT_USAGE;
	if (strchr(argv[2], ' ') != NULL || strchr(argv[3], ' ') != NULL)
		return -1;
	return snprintf(
	    to, size, "explain %s %s %s %s\n", form, argv[2], argv[3], argv[1]);
}

/* The request as posternd takes it: false if it is none. */
static bool
make_request(
    char *to, size_t size, const struct question *q, char **argv, int argc)
{
	const struct command *c = argc == 0 ? NULL : find_command(argv[0]);
	const char *name = argv[0];
	int len;

	if (c == NULL || !has_right_count(c, argc - 1))
		return false;
	if (strcmp(name, "drain") == 0)
		len = make_drain_request(to, size, q);
	else if (strcmp(name, "explain") == 0)
		len = make_explain_request(to, size, q->form, argv);
	else
		len = snprintf(to, size, "%s %s%s%s\n",
		    q->follow ? "follow" : name, q->form, argc == 2 ? " " : "",
		    argc == 2 ? argv[1] : "");
	return len > 0 && (size_t)len < size &&
	    strchr(to, '\n') == to + len - 1;
}

/* What make_request() did not take. */
static void
print_mistake(char **argv, int argc)
{
	const struct command *c = argc == 0 ? NULL : find_command(argv[0]);

	fprintf(stderr, "posternctl: ");
	if (argc == 0)
		fprintf(stderr, "there is no command\n");
	else if (c == NULL)
		fprintf(stderr, "%s: there is no such command\n", argv[0]);
	else if (!has_right_count(c, argc - 1))
		fprintf(stderr, "%s: it takes %s, and is given %d argument%s\n",
		    c->name, c->arguments, argc - 1, argc == 2 ? "" : "s");
	else
		fprintf(stderr,
		    "%s: an argument is too long, or has the end of a line or, "
		    "where that is none of a name, a blank in it\n",
		    c->name);
}

/* Digits alone. */
static bool
parse_count(const char *text, unsigned long *to)
{
	if (text[0] == '\0' || strlen(text) > 7 ||
	    strspn(text, "0123456789") != strlen(text))
		return false;
	*to = strtoul(text, NULL, 10);
	return *to > 0 && *to <= COUNT_MAX;
}

static bool
is_drain_time(const char *text)
{
	uint64_t ms;

	if (options_parse_duration(text, &ms) && ms >= 1000 &&
	    ms / 1000 <= DRAIN_WITHIN_MAX)
		return true;
	fprintf(stderr,
	    "posternctl: --within: a duration from 1s to 7d is wanted\n");
	return false;
}

/* False: it is no such option, or has no such value. */
static bool
take_option(struct question *q, int option)
{
	switch (option) {
	case 'f':
		q->follow = true;
		return true;
	case 'j':
		q->form = "json";
		return true;
	case 'm':
		q->mask = true;
		return true;
	case 'n':
		if (parse_count(optarg, &q->count))
			return true;
		fprintf(stderr,
		    "posternctl: -n: a number from 1 to %d is wanted\n",
		    COUNT_MAX);
		return false;
	case 'o':
		q->output = optarg;
		return true;
	case 's':
		q->socket = optarg;
		return true;
	case 'w':
		q->form = "wide";
		return true;
	case OPTION_CANCEL:
		q->cancel = true;
		return true;
	case OPTION_WITHIN:
		q->within = optarg;
		return is_drain_time(optarg);
	default:
		return false;
	}
}

/* Options that are of one command alone go with it. */
static bool
options_fit(const struct question *q, const char *command)
{
	bool top = strcmp(command, "top") == 0;
	bool of_drain = q->cancel || q->within != NULL;

	if (of_drain && strcmp(command, "drain") != 0)
		fprintf(stderr,
		    "posternctl: --cancel and --within go with "
		    "drain alone\n");
	else if (q->cancel && q->within != NULL)
		fprintf(stderr, "posternctl: --cancel goes without --within\n");
	else if (q->follow && strcmp(command, "flows") != 0)
		fprintf(stderr, "posternctl: -f goes with flows alone\n");
	else if (q->count != 0 && !top)
		fprintf(stderr, "posternctl: -n goes with top alone\n");
	else if ((q->mask || q->output != NULL) &&
	    strcmp(command, "debug") != 0)
		fprintf(stderr, "posternctl: -m and -o go with debug alone\n");
	else if ((top || strcmp(command, "debug") == 0) &&
	    strcmp(q->form, "json") == 0)
		fprintf(stderr, "posternctl: %s has no -j\n", command);
	else
		return true;
	return false;
}

static int
refuse_usage(void)
{
	print_usage(stderr);
	return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "cancel", no_argument, NULL, OPTION_CANCEL },
		{ "count", required_argument, NULL, 'n' },
		{ "follow", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "mask", no_argument, NULL, 'm' },
		{ "output", required_argument, NULL, 'o' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ "wide", no_argument, NULL, 'w' },
		{ "within", required_argument, NULL, OPTION_WITHIN },
		{ 0 },
	};
	struct question q = { .socket = CTL_SOCKET, .form = "text" };
	char request[REQUEST_MAX];
	int c;

	while (
	    (c = getopt_long(argc, argv, "fhjmn:o:s:Vw", longs, NULL)) != -1) {
		if (c == 'h') {
			print_help();
			return 0;
		}
		if (c == 'V') {
			printf("posternctl " POSTERN_VERSION "\n");
			return 0;
		}
		if (!take_option(&q, c))
			return refuse_usage();
	}
	argc -= optind;
	argv += optind;
	if (argc > 0 && !options_fit(&q, argv[0]))
		return refuse_usage();
	if (argc == 1 && strcmp(argv[0], "debug") == 0)
		return debug_report(q.socket, q.output, q.mask);
	if (argc == 1 && strcmp(argv[0], "top") == 0)
		return show_top(q.socket, strcmp(q.form, "wide") == 0, q.count);
	if (!make_request(request, sizeof(request), &q, argv, argc)) {
		print_mistake(argv, argc);
		return refuse_usage();
	}
	return print_answer(q.socket, request, q.follow);
}
