/*
 * The test client's start, its loop and its end. See client.h for what it is
 * and what it prints.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net-worker/core/aead.h"
#include "tests/client/client.h"

enum poll_index {
	POLL_UDP4,
	POLL_UDP6,
	POLL_TUN,
	POLL_PORTAL,
	POLL_COMMANDS,
	POLL_SIGNAL,
	POLL_COUNT
};

static const char usage[] =
    "usage: postern-test-client [options] -l ADDRESS [-l ADDRESS] URL\n"
    "  -l ADDRESS         local address for UDP, one of each family at most\n"
    "  -4, --ipv4         no UDP over IPv6\n"
    "  -6, --ipv6         no UDP over IPv4\n"
    "  -r, --relay-only   offer relayed candidates only\n"
    "  -d, --direct-only  no relays\n"
    "  -n, --iceless      offer to do without ICE, and do when it is agreed "
    "on\n"
    "  -i EXTERNAL-ID     of the device (test-client)\n"
    "  -t DEVICE          name of the TUN device (tun-client)\n"
    "  -p FILE            the portal driver\n"
    "  -g, --generation N        a client of generation 1, 2 or 3 (3)\n"
    "  -V, --client-version V    of release 1.3 to 1.5.16: see habits.h\n"
    "  -I, --close-after S       when idle; until 1.3: 300 s, then never\n"
    "  -o DEVICE          reach portal and peers through that device only, "
    "and\n"
    "                     activate the Internet resource\n"
    "  -c FIFO            read commands there: see commands.h\n"
    "  -f, --fast         with the gateway's cipher, for measurements\n"
    "  -v                 tell more on standard error\n"
    "  -h, --help         print this and exit\n"
    "The user's token is read from the environment variable FIREZONE_TOKEN.\n";

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "ipv4", no_argument, NULL, '4' },
	{ "ipv6", no_argument, NULL, '6' },
	{ "relay-only", no_argument, NULL, 'r' },
	{ "direct-only", no_argument, NULL, 'd' },
	{ "iceless", no_argument, NULL, 'n' },
	{ "fast", no_argument, NULL, 'f' },
	{ "generation", required_argument, NULL, 'g' },
	{ "client-version", required_argument, NULL, 'V' },
	{ "close-after", required_argument, NULL, 'I' },
	{ NULL, 0, NULL, 0 },
};

struct options {
	struct portal_options portal;
	const char *fifo;
	int close_after; /* seconds, or -1 */
	struct ip_address local[2];
	bool unwanted[2]; /* address families */
};

static void
bad_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static void
parse_local(struct options *o, const char *text)
{
	struct ip_address ip;

	if (!ip_parse(text, &ip))
		errx(2, "not an address: %s", text);
	o->local[family_index(&ip)] = ip;
}

static void
choose_habits(struct client *c, const struct options *o)
{
	const struct habits *found = o->portal.release == NULL
	    ? NULL
	    : habits_of_release(o->portal.release);

	if (found == NULL)
		errx(2,
		    "no client of that generation or release is known: see "
		    "--help");
	if (c->iceless_offered && !found->iceless)
		errx(2, "clients of that release cannot do without ICE");
	c->habits = *found;
	if (o->close_after >= 0)
		c->habits.close_after_s = o->close_after;
}

static void
parse_options(struct client *c, struct options *o, int argc, char **argv)
{
	int ch;

	while ((ch = getopt_long(argc, argv,
		    "46hvdrnfl:i:t:p:o:c:g:V:I:", long_options, NULL)) != -1) {
		switch (ch) {
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case '4':
			o->unwanted[1] = true;
			break;
		case '6':
			o->unwanted[0] = true;
			break;
		case 'v':
			c->verbose = true;
			break;
		case 'd':
			c->direct_only = true;
			break;
		case 'r':
			c->relay_only = true;
			break;
		case 'n':
			c->iceless_offered = true;
			break;
		case 'f':
			if ((c->aead = aead_new()) == NULL)
				errx(1, "no memory");
			break;
		case 'l':
			parse_local(o, optarg);
			break;
		case 'i':
			o->portal.external_id = optarg;
			break;
		case 't':
			c->device = optarg;
			break;
		case 'p':
			o->portal.driver = optarg;
			break;
		case 'o':
			c->outside = optarg;
			break;
		case 'g':
			o->portal.release = habits_release_of(
			    (unsigned)strtoul(optarg, NULL, 10));
			break;
		case 'V':
			o->portal.release = optarg;
			break;
		case 'I':
			o->close_after = atoi(optarg);
			break;
		case 'c':
			o->fifo = optarg;
			break;
		default:
			bad_usage();
		}
	}
	/* Without ICE the first message goes to relays only. */
	if (optind + 1 != argc ||
	    (c->direct_only && (c->relay_only || c->iceless_offered)))
		bad_usage();
	o->portal.url = argv[optind];
	o->portal.device = c->outside;
	o->portal.iceless = c->iceless_offered;
	choose_habits(c, o);
}

static int
open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (fd = signalfd(-1, &set, SFD_CLOEXEC)) == -1)
		err(1, "signalfd");
	return fd;
}

static int
poll_timeout(const struct client *c)
{
	struct mono deadline = client_deadline(c);
	int64_t ms;

	if (mono_is_never(deadline))
		return -1;
	ms = mono_ms_between(mono_now(), deadline) + 1;
	return ms < 0 ? 0 : (int)ms;
}

/* Until a signal ends it, or the driver does. */
static int
run(struct client *c, int signals)
{
	struct pollfd fds[POLL_COUNT] = {
		[POLL_UDP4] = { -1, POLLIN, 0 },
		[POLL_UDP6] = { -1, POLLIN, 0 },
		[POLL_TUN] = { c->tun, POLLIN, 0 },
		[POLL_PORTAL] = { -1, POLLIN, 0 },
		[POLL_COMMANDS] = { c->commands.fd, POLLIN, 0 },
		[POLL_SIGNAL] = { signals, POLLIN, 0 },
	};

	for (;;) {
		/* These change when the client roams. */
		fds[POLL_UDP4].fd = c->udp[0];
		fds[POLL_UDP6].fd = c->udp[1];
		fds[POLL_PORTAL].fd = c->portal.fd;
		if (poll(fds, POLL_COUNT, poll_timeout(c)) == -1 &&
		    errno != EINTR)
			err(1, "poll");
		c->now = mono_now();
		if (fds[POLL_SIGNAL].revents != 0)
			return 0;
		if (fds[POLL_PORTAL].revents != 0 && !portal_input(c)) {
			warnx("the portal driver ended");
			return 1;
		}
		for (size_t f = 0; f < 2; f++)
			if (fds[POLL_UDP4 + f].revents != 0)
				io_read_udp(c, c->udp[f]);
		if (fds[POLL_TUN].revents != 0)
			io_read_tun(c);
		if (fds[POLL_COMMANDS].revents != 0 && !commands_input(c)) {
			warnx("a command is too long");
			return 1;
		}
		client_timers(c);
		io_flush(c);
	}
}

int
main(int argc, char **argv)
{
	static struct client c = {
		.device = "tun-client",
		.outside = "",
		.commands.fd = -1,
	};
	struct options o = {
		.portal = {
			.driver = PORTAL_DRIVER,
			.external_id = "test-client",
			.release = habits_newest,
		},
		.close_after = -1,
	};
	uint8_t private_key[NOISE_KEY_LEN];
	int signals, status;
	bool udp;

	parse_options(&c, &o, argc, argv);
	if (getenv("FIREZONE_TOKEN") == NULL)
		errx(2, "no token: give it in the variable FIREZONE_TOKEN");
	if (sodium_init() == -1 || !stun_warm_up())
		errx(1, "cryptographic libraries");
	randombytes_buf(private_key, sizeof(private_key));
	if (!noise_identity(&c.identity, private_key))
		errx(1, "key");
	sodium_memzero(private_key, sizeof(private_key));
	for (size_t f = 0; f < 2; f++)
		io_open(&c, f,
		    o.unwanted[f] ? &(struct ip_address){ 0 } : &o.local[f]);
	if (c.udp[0] == -1 && c.udp[1] == -1)
		bad_usage();
	if ((c.tun = tun_open(c.device, &udp)) == -1)
		err(1, "%s", c.device);
	if (o.fifo != NULL && commands_open(&c.commands, o.fifo) == -1)
		err(1, "%s", o.fifo);
	io_init(&c, udp);
	c.now = mono_now();
	tunnel_stop(&c);
	iceless_mode_init(&c);
	if (portal_start(&c.portal, &o.portal, c.identity.public_key) == -1)
		err(1, "%s", o.portal.driver);
	signals = open_signals();
	status = run(&c, signals);
	client_stop(&c);
	portal_stop(&c.portal);
	return status;
}
