/* A report of a bug, put together: see debug_report.h. */
#include "parent/debug_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "parent/ctl_client.h"
#include "parent/mask.h"
#include "parent/shown_text.h"

/* What posternd is asked for, in the order of the report. */
static const struct {
	const char *title, *request;
} asked[] = {
	{ "options", "config text\n" },
	{ "status", "status json\n" },
	{ "netcheck", "netcheck json\n" },
	{ "clients", "clients json\n" },
	{ "resources", "resources json\n" },
	{ "relays", "relays json\n" },
	{ "metrics", "metrics text\n" },
};

#define ASKED (sizeof(asked) / sizeof(*asked))

struct section {
	char *text; /* NULL: there is no answer, and why */
	size_t len;
	char why[512];
};

/*
 * Up to the NUL that ends it; what follows is posternctl's exit status. The
 * report is read on terminals.
 */
static bool
take_answer(FILE *to, int fd)
{
	struct shown_text shown = { 0 };
	char bytes[16384];
	const char *end = NULL;
	size_t all = 0;
	ssize_t n;

	while (end == NULL && all <= CTL_ANSWER_MAX &&
	    ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0 ||
		(n == -1 && errno == EINTR))) {
		size_t len = n == -1 ? 0 : (size_t)n;

		end = memchr(bytes, '\0', len);
		if (end != NULL)
			len = (size_t)(end - bytes);
		shown_text_print(to, &shown, bytes, len);
		all += len;
	}
	shown_text_end(to, &shown);
	return end != NULL;
}

static void
read_answer(struct section *s, int fd)
{
	FILE *to = open_memstream(&s->text, &s->len);
	bool whole = to != NULL && take_answer(to, fd);

	if (to == NULL || fclose(to) == EOF)
		snprintf(s->why, sizeof(s->why), "no memory for the answer");
	else if (!whole)
		snprintf(s->why, sizeof(s->why),
		    "posternd has not answered, or only in part");
}

static void
ask_for_section(struct section *s, const char *socket, const char *request)
{
	int fd = ctl_ask(socket, request, s->why, sizeof(s->why));

	if (fd == -1)
		return;
	read_answer(s, fd);
	close(fd);
}

/* NAME="value" of os-release(5). */
static void
write_system(FILE *to)
{
	FILE *from = fopen("/etc/os-release", "re");
	char line[256];

	while (from != NULL && fgets(line, sizeof(line), from) != NULL)
		if (strncmp(line, "PRETTY_NAME=", 12) == 0)
			fprintf(to, "system %s", line + 12);
	if (from != NULL)
		fclose(from);
}

static void
write_host(FILE *to)
{
	struct utsname u;

	fprintf(to, "\n==> host <==\nposternctl %s\n", POSTERN_VERSION);
	if (uname(&u) == 0)
		fprintf(
		    to, "kernel %s %s %s\n", u.sysname, u.release, u.machine);
	write_system(to);
	fprintf(to, "processors %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
}

static void
write_section(
    FILE *to, const char *title, const struct section *s, struct mask *mask)
{
	fprintf(to, "\n==> %s <==\n", title);
	if (s->text != NULL && mask != NULL)
		mask_write(mask, s->text, s->len, to);
	else if (s->text != NULL)
		fwrite(s->text, 1, s->len, to);
	if (s->why[0] != '\0')
		fprintf(to, "%s\n", s->why);
}

/* All that names are to be known from, before anything is written. */
static void
learn_names(struct mask *mask, const struct section *sections)
{
	struct utsname u;

	if (uname(&u) == 0)
		mask_add(mask, "host", u.nodename, strlen(u.nodename));
	for (size_t i = 0; i < ASKED; i++) {
		const struct section *s = &sections[i];

		if (s->text == NULL)
			continue;
		if (strcmp(asked[i].title, "options") == 0)
			mask_learn_options(mask, s->text, s->len);
		else if (strcmp(asked[i].title, "metrics") == 0)
			mask_learn_metrics(mask, s->text, s->len);
		else
			mask_learn_json(mask, s->text, s->len);
	}
}

static void
write_report(FILE *to, const struct section *sections, struct mask *mask)
{
	char when[64] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(to,
	    "A report for postern, made %s. It has no token, key or password;\n"
	    "%s. Read it before you send it.\n",
	    when,
	    mask != NULL ? "addresses, ids and names are masked"
			 : "addresses, ids and names are as they are (--mask)");
	write_host(to);
	for (size_t i = 0; i < ASKED; i++)
		write_section(to, asked[i].title, &sections[i], mask);
	fprintf(to,
	    "\n==> log <==\n"
	    "posternd keeps none. Add its last lines, which may have names\n"
	    "and addresses: journalctl -u posternd -n 200\n");
}

/* A new file, which nobody else reads. NULL with errno. */
static FILE *
create_report(const char *path)
{
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd == -1 ? NULL : fdopen(fd, "w");
}

static FILE *
open_output(const char **output, char name[64])
{
	time_t now = time(NULL);
	struct tm tm;
	FILE *to;

	if (*output != NULL && strcmp(*output, "-") == 0)
		return stdout;
	if (*output == NULL) {
		if (gmtime_r(&now, &tm) == NULL ||
		    strftime(
			name, 64, "postern-debug-%Y%m%d-%H%M%S.txt", &tm) == 0)
			return NULL;
		*output = name;
	}
	if ((to = create_report(*output)) == NULL)
		fprintf(
		    stderr, "posternctl: %s: %s\n", *output, strerror(errno));
	return to;
}

int
debug_report(const char *socket, const char *output, bool masked)
{
	static struct section sections[ASKED];
	struct mask *mask = masked ? mask_new() : NULL;
	char name[64];
	bool whole = true, written;
	FILE *to;

	if (masked && mask == NULL) {
		fprintf(stderr, "posternctl: no memory\n");
		return 1;
	}
	if ((to = open_output(&output, name)) == NULL)
		return 1;
	for (size_t i = 0; i < ASKED; i++) {
		ask_for_section(&sections[i], socket, asked[i].request);
		whole = whole && sections[i].why[0] == '\0';
	}
	if (mask != NULL)
		learn_names(mask, sections);
	write_report(to, sections, mask);
	mask_free(mask);
	written = !ferror(to) && fflush(to) == 0;
	if (!written)
		fprintf(
		    stderr, "posternctl: cannot write: %s\n", strerror(errno));
	else if (!whole)
		fprintf(stderr,
		    "posternctl: not all has been answered; the report says "
		    "what is missing\n");
	if (to != stdout)
		printf("%s\n", output);
	return whole && written ? 0 : 1;
}
