/*
 * Whom control-worker reaches: tried against the parent's packet filter, under
 * its real confinement and by its user alone, since the packet filter is to
 * hold without the other locks. On the loopback device of a network namespace
 * of its own, where a packet that gets through finds nobody, which tells it
 * from one that does not.
 */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "control-worker/sandbox_control.h"
#include "parent/firewall.h"
#include "tests/sandbox/escape.h"

#define PORTAL_PORT 8443
/* A packet that is dropped is one that is not heard of for so long. */
#define PATIENCE_MS 300

struct target {
	const char *what;
	const char *address; /* with its port */
	int type;
	/* When the resolvers are 127.0.0.53 and ::1 and 127.0.0.2, 10.7.7.7
	 * and fd77::7 have been named. */
	bool open;
};

static const struct target targets[] = {
	{ "TCP to the portal's port", "192.0.2.1:8443", SOCK_STREAM, true },
	{ "TCP to HTTPS", "192.0.2.1:443", SOCK_STREAM, true },
	{ "the portal on this host", "127.0.0.2:8443", SOCK_STREAM, true },
	{ "flow logs on this host", "127.0.0.2:443", SOCK_STREAM, true },
	{ "the portal on the LAN", "10.7.7.7:8443", SOCK_STREAM, true },
	{ "flow logs on the LAN", "10.7.7.7:443", SOCK_STREAM, true },
	{ "the portal on the LAN by IPv6", "[fd77::7]:443", SOCK_STREAM, true },
	{ "another port of it", "10.7.7.7:444", SOCK_STREAM, false },
	{ "loopback", "127.0.0.1:443", SOCK_STREAM, false },
	{ "loopback by IPv6", "[::1]:443", SOCK_STREAM, false },
	{ "the LAN", "10.7.7.8:443", SOCK_STREAM, false },
	{ "the LAN at the portal's port", "10.7.7.8:8443", SOCK_STREAM, false },
	{ "the LAN by IPv6", "[fd77::8]:443", SOCK_STREAM, false },
	{ "a private address", "192.168.7.7:443", SOCK_STREAM, false },
	{ "a private address by NAT64", "[64:ff9b::a07:708]:443", SOCK_STREAM,
	    false },
	{ "a provider's address", "100.127.7.7:443", SOCK_STREAM, false },
	{ "link-local", "169.254.169.254:443", SOCK_STREAM, false },
	{ "TCP to another port", "127.0.0.1:8444", SOCK_STREAM, false },
	{ "UDP to the portal's port", "127.0.0.1:8443", SOCK_DGRAM, false },
	{ "a resolver by UDP", "127.0.0.53:53", SOCK_DGRAM, true },
	{ "a resolver by TCP", "127.0.0.53:53", SOCK_STREAM, true },
	{ "a resolver by IPv6", "[::1]:53", SOCK_DGRAM, true },
	{ "another host's DNS by UDP", "127.0.0.54:53", SOCK_DGRAM, false },
	{ "another host's DNS by TCP", "127.0.0.54:53", SOCK_STREAM, false },
	{ "another port of a resolver", "127.0.0.53:54", SOCK_DGRAM, false },
};

enum as {
	AS_ROOT, /* whom the rules do not concern */
	AS_CONTROL_USER,
	AS_CONTROL_WORKER,
};

static const char *const as_names[] = {
	[AS_ROOT] = "root",
	[AS_CONTROL_USER] = "control-worker's user",
	[AS_CONTROL_WORKER] = "control-worker",
};

struct trial {
	const struct target *target;
	enum as as;
};

static uid_t user;
static gid_t group;

static void
confine(const void *ctx)
{
	const struct trial *t = ctx;
	const uint16_t port = PORTAL_PORT;
	char no_spool[] = "";

	log_init_worker(outside.log[1], LOG_LEVEL_ERROR);
	if (t->as == AS_CONTROL_WORKER)
		(void)sandbox_control_enter(&port, 1, no_spool);
	else if (t->as == AS_CONTROL_USER &&
	    (setresgid(group, group, group) == -1 ||
		setresuid(user, user, user) == -1))
		fatal("cannot become the user");
}

/* What becomes of a connection that has been begun. */
static int
await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, PATIENCE_MS) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return -1;
	errno = error;
	return error == 0 || error == ECONNREFUSED ? 0 : -1;
}

static int
reach(const void *ctx)
{
	const struct target *t = ((const struct trial *)ctx)->target;
	struct sockaddr_storage to;
	struct endpoint e;
	socklen_t len;
	int fd;

	if (!endpoint_parse(t->address, &e))
		return -1;
	len = endpoint_to_sockaddr(&e, &to);
	fd = socket(to.ss_family, t->type | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, len) == 0)
		return send(fd, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
	if (errno == EINPROGRESS)
		return await(fd);
	return errno == ECONNREFUSED ? 0 : -1;
}

static int
try(const struct target *target, enum as as, bool open)
{
	const struct trial t = { target, as };
	int got = in_child(confine, reach, &t);
	bool good, wanted = as == AS_ROOT || (open && target->open);

	/* Of TCP to a wrong port Landlock may know before. */
	if (wanted)
		good = got == DONE;
	else if (target->type == SOCK_DGRAM)
		good = got == EPERM;
	else
		good = got == ETIMEDOUT ||
		    (as == AS_CONTROL_WORKER && got == EACCES);
	return report(good, as_names[as], target->what,
	    got == DONE         ? " is reached"
		: got == KILLED ? " ends it"
		: got == ODD    ? " ends in another way"
				: " is out of reach");
}

static int
try_all(enum as as, bool open)
{
	int bad = 0;

	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
		bad += try(&targets[i], as, open);
	return bad;
}

static void
enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) == -1)
		err(1, "unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || ioctl(fd, SIOCSIFFLAGS, &lo) == -1)
		err(1, "the loopback device");
	close(fd);
	/* All hosts are this one. */
	if (system("ip -4 route add local 0.0.0.0/0 dev lo && "
		   "ip -6 route add local ::/0 dev lo") != 0)
		errx(1, "cannot lead all packets to the loopback device");
}

int
egress_try(void)
{
	struct firewall_egress e = {
		.portal_port = PORTAL_PORT, .host_count = 3, .resolver_count = 2
	};
	const struct passwd *pw = getpwnam("_posternctl");
	struct firewall_options o = { 0 };
	struct firewall *firewall;
	char why[512];
	int bad = 0;

	log_init_sink("parent", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (pw == NULL)
		errx(1, "no user _posternctl");
	o.control_uid = user = pw->pw_uid;
	group = pw->pw_gid;
	enter_namespace();
	if ((firewall = firewall_install(&o, why, sizeof(why))) == NULL)
		errx(1, "%s", why);
	bad += try_all(AS_ROOT, false);
	printf("# nobody has been named yet\n");
	bad += try_all(AS_CONTROL_USER, false);
	if (!ip_parse("127.0.0.53", &e.resolvers[0]) ||
	    !ip_parse("::1", &e.resolvers[1]) ||
	    !ip_parse("127.0.0.2", &e.hosts[0]) ||
	    !ip_parse("10.7.7.7", &e.hosts[1]) ||
	    !ip_parse("fd77::7", &e.hosts[2]) ||
	    firewall_set_egress(firewall, &e) == -1)
		errx(1, "cannot open the packet filter");
	printf("# the portal's port, three hosts and two resolvers\n");
	for (enum as as = AS_ROOT; as <= AS_CONTROL_WORKER; as++)
		bad += try_all(as, true);
	firewall_remove(firewall);
	return bad;
}
