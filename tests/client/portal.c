/* The driver process and the lines exchanged with it: see portal.h. */
#include "tests/client/portal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/client/client.h"

/* Another python3 on the PATH may lack the modules of the distribution. */
#define PYTHON   "/usr/bin/python3"
#define KEY_TEXT sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL)

static void
run_driver(int fd, const struct portal_options *o, const char *key)
{
	sigset_t none;

	/* Once the loop runs, we have blocked what ends the driver. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(fd, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1)
		_exit(1);
	execl(PYTHON, PYTHON, o->driver, o->url, o->external_id, key,
	    o->release, o->device, o->iceless ? "iceless" : "ice", NULL);
	_exit(127);
}

int
portal_start(struct portal *p, const struct portal_options *o,
    const uint8_t public_key[32])
{
	char key[KEY_TEXT];
	int fds[2];

	p->options = *o;
	p->lines.length = 0;
	sodium_bin2base64(
	    key, sizeof(key), public_key, 32, sodium_base64_VARIANT_ORIGINAL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	if ((p->pid = fork()) == 0)
		run_driver(fds[1], o, key);
	close(fds[1]);
	if (p->pid == -1) {
		close(fds[0]);
		return -1;
	}
	p->fd = fds[0];
	return fcntl(p->fd, F_SETFL, O_NONBLOCK);
}

void
portal_stop(struct portal *p)
{
	close(p->fd);
	kill(p->pid, SIGTERM);
	waitpid(p->pid, NULL, 0);
}

int
portal_restart(struct portal *p, const uint8_t public_key[32])
{
	struct portal_options options = p->options;

	portal_stop(p);
	return portal_start(p, &options, public_key);
}

void
portal_send(const struct client *c, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 1)
		return;
	line[n++] = '\n';
	/* A short line into an empty socket buffer: all of it or nothing. */
	if (send(c->portal.fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		debug(c, "portal driver: %s", strerror(errno));
}

static bool
parse_key(const char *text, uint8_t key[32])
{
	size_t n;

	return sodium_base642bin(key, 32, text, strlen(text), NULL, &n, NULL,
		   sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    n == 32;
}

static bool
copy_word(char *to, size_t size, const char *word)
{
	return (size_t)snprintf(to, size, "%s", word) < size;
}

static void
on_interface(struct client *c, char **word)
{
	struct ip_address v4, v6;

	if (ip_parse(word[1], &v4) && ip_parse(word[2], &v6))
		client_interface(c, &v4, &v6);
}

static void
on_resources(struct client *c, char **word)
{
	if (strcmp(word[1], "begin") == 0)
		client_resources_begin(c);
	else
		client_resources_commit(c);
}

static void
on_resource(struct client *c, char **word)
{
	struct resource r = { .listed = true };

	if (!copy_word(r.id, sizeof(r.id), word[1]) ||
	    !copy_word(r.name, sizeof(r.name), word[4]))
		return;
	if (strcmp(word[2], "dns") == 0)
		r.kind = RESOURCE_DNS;
	else if (strcmp(word[2], "internet") == 0)
		r.kind = RESOURCE_INTERNET;
	else if (prefix_parse(word[3], &r.network))
		r.kind = RESOURCE_CIDR;
	else
		return;
	client_resource(c, &r);
}

static void
on_deleted(struct client *c, char **word)
{
	client_resource_deleted(c, word[1]);
}

static void
on_relay(struct client *c, char **word)
{
	struct endpoint server;

	if (endpoint_parse(word[2], &server))
		turn_add(c, word[1], &server, word[3], word[4]);
}

static void
on_forget_relay(struct client *c, char **word)
{
	turn_forget(c, word[1]);
}

static void
on_authorized(struct client *c, char **word)
{
	struct authorization a = {
		.iceless = strcmp(word[9], "iceless") == 0,
	};

	if (copy_word(a.resource, sizeof(a.resource), word[1]) &&
	    copy_word(a.gateway, sizeof(a.gateway), word[2]) &&
	    parse_key(word[3], a.public_key) && parse_key(word[4], a.psk) &&
	    copy_word(a.ours.username, sizeof(a.ours.username), word[5]) &&
	    copy_word(a.ours.password, sizeof(a.ours.password), word[6]) &&
	    copy_word(a.theirs.username, sizeof(a.theirs.username), word[7]) &&
	    copy_word(a.theirs.password, sizeof(a.theirs.password), word[8]))
		client_authorized(c, &a);
	sodium_memzero(&a, sizeof(a));
}

static void
on_prepared(struct client *c, char **word)
{
	two_step_prepared(c, word[1], word[2]);
}

static void
on_connected(struct client *c, char **word)
{
	struct ice_credentials theirs;
	uint8_t key[32];

	if (parse_key(word[3], key) &&
	    copy_word(theirs.username, sizeof(theirs.username), word[4]) &&
	    copy_word(theirs.password, sizeof(theirs.password), word[5]))
		two_step_connected(c, word[1], word[2], key, &theirs);
	sodium_memzero(&theirs, sizeof(theirs));
}

static void
on_refused(struct client *c, char **word)
{
	client_refused(c, word[1], word[2]);
}

static void
on_candidate(struct client *c, char **word)
{
	client_remote_candidate(c, word[1], word[2], true);
}

static void
on_uncandidate(struct client *c, char **word)
{
	client_remote_candidate(c, word[1], word[2], false);
}

static void
on_portal(struct client *c, char **word)
{
	two_step_forget(c); /* an answer will not come any more */
	event("portal %s", word[1]);
}

static const struct line_command commands[] = {
	{ "interface", 3, on_interface },
	{ "resources", 2, on_resources },
	{ "resource", 5, on_resource },
	{ "deleted", 2, on_deleted },
	{ "relay", 5, on_relay },
	{ "forget-relay", 2, on_forget_relay },
	{ "authorized", 10, on_authorized },
	{ "prepared", 3, on_prepared },
	{ "connected", 6, on_connected },
	{ "refused", 3, on_refused },
	{ "candidate", 3, on_candidate },
	{ "uncandidate", 3, on_uncandidate },
	{ "portal", 2, on_portal },
};

bool
portal_input(struct client *c)
{
	return lines_input(c, c->portal.fd, &c->portal.lines, commands,
	    sizeof(commands) / sizeof(commands[0]));
}
