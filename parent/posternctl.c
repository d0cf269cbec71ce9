/*
 * posternctl: shows an operator what a running posternd does. It asks the
 * control-worker, through the socket that the parent has made, and prints the
 * answer; what is unprintable in it, or would move a terminal's cursor, is not
 * passed on.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_PATH "/run/postern/postern.sock"
#define PATIENCE_S  10

#define EXIT_USAGE 2

static void __attribute__((__noreturn__, __format__(printf, 1, 2)))
exit_saying(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "posternctl: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static void
print_usage(FILE *to)
{
	fprintf(to,
	    "usage: posternctl [-s socket] status [--json]\n"
	    "       posternctl --help | --version\n");
}

static void __attribute__((__noreturn__)) cannot_connect(const char *path)
{
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		exit_saying(
		    "%s: nobody listens there; is posternd running?", path);
	case EACCES:
	case EPERM:
		exit_saying(
		    "%s: permission denied; it takes root, or the group "
		    "postern where there is one",
		    path);
	default:
		exit_saying("%s: %s", path, strerror(errno));
	}
}

static int
connect_to_daemon(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path))
		exit_saying("%s: too long for a socket's name", path);
	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		cannot_connect(path);
	if (setsockopt(
		fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == -1)
		exit_saying("%s: %s", path, strerror(errno));
	return fd;
}

static void
send_request(int fd, const char *request)
{
	size_t len = strlen(request);

	if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		exit_saying(
		    "posternd does not take the request: %s", strerror(errno));
}

static void
print_text(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		putchar(c == '\n' || (c >= 0x20 && c != 0x7f) ? c : '?');
	}
}

/* All of an answer ends in a NUL. */
static void
print_answer(int fd)
{
	char bytes[16384];
	const char *end;
	ssize_t n;

	for (;;) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			exit_saying("posternd does not answer");
		if (n == -1)
			exit_saying(
			    "cannot read the answer: %s", strerror(errno));
		if (n == 0)
			exit_saying(
			    "posternd broke the answer off; is it ending?");
		end = memchr(bytes, '\0', (size_t)n);
		print_text(
		    bytes, end == NULL ? (size_t)n : (size_t)(end - bytes));
		if (end != NULL)
			break;
	}
	if (fflush(stdout) == EOF)
		exit_saying("cannot write: %s", strerror(errno));
}

static int
ask_status(const char *path, bool json)
{
	int fd = connect_to_daemon(path);

	send_request(fd, json ? "status json\n" : "status text\n");
	print_answer(fd);
	close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *path = SOCKET_PATH;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "hjs:V", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			print_usage(stdout);
			return 0;
		case 'j':
			json = true;
			break;
		case 's':
			path = optarg;
			break;
		case 'V':
			printf("posternctl " POSTERN_VERSION "\n");
			return 0;
		default:
			print_usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1 || strcmp(argv[optind], "status") != 0) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	return ask_status(path, json);
}
