/* The data plane's UDP sockets: see sockets.h. */
#include "parent/sockets.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/plan.h"
#include "parent/steering.h"

/* RFC 5014; glibc has the option but not its values. */
#define PREFER_SRC_PUBLIC 0x0002

#define BUFFER_MIN (64 << 10)

struct option {
	int level, name, value;
	bool needed; /* without it the family is of no use */
	const char *text;
};

/*
 * IP_RECVERR is left unset on purpose: on a socket shared by all peers, the
 * ICMP error of one would fail a call meant for another.
 */
static const struct option options_v4[] = {
	{ IPPROTO_IP, IP_PKTINFO, 1, true, "IP_PKTINFO" },
	{ IPPROTO_IP, IP_RECVTOS, 1, false, "IP_RECVTOS" },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, false,
	    "IP_MTU_DISCOVER" },
	{ IPPROTO_UDP, UDP_GRO, 1, false, "UDP_GRO" },
	{ 0 },
};

static const struct option options_v6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1, true, "IPV6_V6ONLY" },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, true, "IPV6_RECVPKTINFO" },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1, false, "IPV6_RECVTCLASS" },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, false,
	    "IPV6_MTU_DISCOVER" },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, 1, false, "IPV6_DONTFRAG" },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, PREFER_SRC_PUBLIC, false,
	    "IPV6_ADDR_PREFERENCES" },
	{ IPPROTO_UDP, UDP_GRO, 1, false, "UDP_GRO" },
	{ 0 },
};

struct family {
	int domain;
	const char *name;
	const struct option *options;
};

static const struct family family_v4 = { AF_INET, "IPv4", options_v4 };
static const struct family family_v6 = { AF_INET6, "IPv6", options_v6 };

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int
get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len) == -1)
		return -1;
	return value;
}

/* What a buffer is asked to hold. */
struct buffer {
	int forced, plain; /* SO_RCVBUFFORCE, SO_RCVBUF */
	int bytes;
	const char *limit; /* the sysctl */
};

#define BUFFERS 2

static void
wanted_buffers(struct buffer to[BUFFERS], const struct udp_options *o)
{
	to[0] = (struct buffer){ SO_RCVBUFFORCE, SO_RCVBUF, o->receive_bytes,
		"net.core.rmem_max" };
	to[1] = (struct buffer){ SO_SNDBUFFORCE, SO_SNDBUF, o->send_bytes,
		"net.core.wmem_max" };
	if (to[0].bytes <= 0)
		to[0].bytes = UDP_RECEIVE_BYTES;
	if (to[1].bytes <= 0)
		to[1].bytes = UDP_SEND_BYTES;
}

/*
 * The forced option reaches beyond the sysctl's limit, given CAP_NET_ADMIN in
 * the first user namespace; the plain one is silently cut to that limit.
 */
static void
set_buffers(int fd, const struct udp_options *o)
{
	struct buffer b[BUFFERS];

	wanted_buffers(b, o);
	for (unsigned i = 0; i < BUFFERS; i++) {
		for (int size = b[i].bytes;; size /= 2) {
			if (set_int(fd, SOL_SOCKET, b[i].forced, size) == 0 ||
			    set_int(fd, SOL_SOCKET, b[i].plain, size) == 0 ||
			    size <= BUFFER_MIN)
				break;
		}
	}
}

/* The kernel doubles what it is asked for. */
static void
tell_small_buffers(int fd, const struct family *f, const struct udp_options *o)
{
	struct buffer b[BUFFERS];
	int granted;

	wanted_buffers(b, o);
	for (unsigned i = 0; i < BUFFERS; i++) {
		granted = get_int(fd, SOL_SOCKET, b[i].plain) / 2;
		if (granted < b[i].bytes)
			log_info("%s: a UDP buffer of %d bytes instead of %d; "
				 "raise %s",
			    f->name, granted, b[i].bytes, b[i].limit);
	}
}

static int
set_udp_options(int fd, const struct family *f, const struct udp_options *o)
{
	for (const struct option *p = f->options; p->text != NULL; p++) {
		if (set_int(fd, p->level, p->name, p->value) == 0)
			continue;
		if (p->needed) {
			log_warn("%s: the kernel refuses %s", f->name, p->text);
			return -1;
		}
		log_info("%s: the kernel refuses %s: %s", f->name, p->text,
		    strerrordesc_np(errno));
	}
	set_buffers(fd, o);
	return 0;
}

static int
bind_port(int fd, int domain, uint16_t port)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };

	if (domain == AF_INET)
		return bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	return bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
}

static uint16_t
bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u = { 0 };
	socklen_t len = sizeof(u);

	if (getsockname(fd, &u.any, &len) == -1)
		return 0;
	return ntohs(
	    u.any.sa_family == AF_INET ? u.v4.sin_port : u.v6.sin6_port);
}

/* What became of a family. */
enum outcome {
	OPENED,
	LEFT_OUT,
	NO_MARK,
};

/* A socket with its mark and options, not yet bound. */
static enum outcome
make_socket(int *fd, const struct family *f, const struct udp_options *o)
{
	*fd = socket(f->domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd == -1) {
		log_warn("%s is left out: no socket", f->name);
		return LEFT_OUT;
	}
	if (set_int(*fd, SOL_SOCKET, SO_MARK, (int)FIREZONE_MARK) == -1)
		return NO_MARK;
	return set_udp_options(*fd, f, o) == 0 ? OPENED : LEFT_OUT;
}

static enum outcome
open_first_socket(int *fd, uint16_t *port, const struct family *f,
    const struct udp_options *o)
{
	enum outcome r = make_socket(fd, f, o);

	if (r != OPENED)
		return r;
	if (bind_port(*fd, f->domain, GATEWAY_PORT) == -1) {
		if (errno != EADDRNOTAVAIL)
			log_warnx("%s: UDP port %u is not free (%s); taking "
				  "another one. A firewall or port forwarding "
				  "set up for %u does not match",
			    f->name, GATEWAY_PORT, strerrordesc_np(errno),
			    GATEWAY_PORT);
		if (bind_port(*fd, f->domain, 0) == -1) {
			log_warn("%s is left out: no UDP port", f->name);
			return LEFT_OUT;
		}
	}
	tell_small_buffers(*fd, f, o);
	*port = bound_port(*fd);
	return *port != 0 ? OPENED : LEFT_OUT;
}

/* The shards' sockets join the port of the engine's, in this order. */
static enum outcome
open_other_sockets(int fds[], uint16_t port, const struct family *f,
    const struct udp_options *o)
{
	if (o->count == 1)
		return OPENED;
	if (set_int(fds[0], SOL_SOCKET, SO_REUSEPORT, 1) == -1)
		goto fail;
	for (unsigned i = 1; i < o->count; i++) {
		enum outcome r = make_socket(&fds[i], f, o);

		if (r != OPENED)
			return r;
		if (set_int(fds[i], SOL_SOCKET, SO_REUSEPORT, 1) == -1 ||
		    bind_port(fds[i], f->domain, port) == -1)
			goto fail;
	}
	if (steer_datagrams(fds[0], o->count - 1) == -1)
		log_info("%s: the kernel takes no program for the sockets of "
			 "a port (%s): datagrams are passed on between "
			 "threads, which costs more",
		    f->name, strerrordesc_np(errno));
	return OPENED;

fail:
	log_warn("%s is left out: UDP port %u cannot be shared by threads",
	    f->name, port);
	return LEFT_OUT;
}

static void
close_sockets(int fds[])
{
	for (unsigned i = 0; i < UDP_SOCKETS_MAX; i++) {
		if (fds[i] != -1)
			close(fds[i]);
		fds[i] = -1;
	}
}

static enum outcome
open_family(int fds[], uint16_t *port, const struct family *f,
    const struct udp_options *o)
{
	enum outcome r = open_first_socket(&fds[0], port, f, o);

	if (r == OPENED)
		r = open_other_sockets(fds, *port, f, o);
	if (r != OPENED) {
		int saved = errno;

		close_sockets(fds);
		*port = 0;
		errno = saved;
	}
	return r;
}

int
udp_sockets_open(struct udp_sockets *s, const struct udp_options *o, char *why,
    size_t why_size)
{
	enum outcome v4, v6 = LEFT_OUT;

	*s = (struct udp_sockets){ .count = o->count };
	for (unsigned i = 0; i < UDP_SOCKETS_MAX; i++)
		s->v4[i] = s->v6[i] = -1;
	if (o->count < 1 || o->count > UDP_SOCKETS_MAX) {
		snprintf(
		    why, why_size, "%u UDP sockets are not possible", o->count);
		return -1;
	}
	v4 = open_family(s->v4, &s->port_v4, &family_v4, o);
	if (v4 != NO_MARK)
		v6 = open_family(s->v6, &s->port_v6, &family_v6, o);
	if (v4 == NO_MARK || v6 == NO_MARK) {
		/* Unmarked packets would be routed into the tunnel again. */
		snprintf(why, why_size,
		    "the firewall mark cannot be set (%s); CAP_NET_ADMIN is "
		    "needed",
		    strerrordesc_np(errno));
		goto fail;
	}
	if (v4 != OPENED && v6 != OPENED) {
		snprintf(why, why_size,
		    "no UDP socket can be opened, neither IPv4 nor IPv6");
		goto fail;
	}
	return 0;

fail:
	udp_sockets_close(s);
	return -1;
}

void
udp_sockets_close(struct udp_sockets *s)
{
	close_sockets(s->v4);
	close_sockets(s->v6);
	s->port_v4 = s->port_v6 = 0;
}
