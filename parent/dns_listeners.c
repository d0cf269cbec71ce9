/* The sockets of the DNS server on the tunnel: see dns_listeners.h. */
#include "parent/dns_listeners.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/plan.h"
#include "parent/owned_socket.h"
#include "parent/tun.h"

#define BACKLOG 16

static void
close_family(struct dns_family *f)
{
	for (size_t i = 0; i < 2; i++) {
		if (f->fds[i] != -1)
			close(f->fds[i]);
		f->fds[i] = -1;
	}
	f->address = (struct ip_address){ 0 };
}

/* Connections of before must not keep TCP from being bound. */
static int
prepare_socket(int fd, bool tcp)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, TUN_NAME,
		sizeof(TUN_NAME)) == -1)
		return -1;
	return tcp ? setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))
		   : 0;
}

static int
open_listener(const struct ip_address *ip, bool tcp, uid_t owner)
{
	const struct endpoint e = { *ip, TUNNEL_DNS_PORT };
	struct sockaddr_storage address;
	socklen_t len = endpoint_to_sockaddr(&e, &address);
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd, saved;

	fd = owned_socket(
	    owner, address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1)
		return -1;
	if (prepare_socket(fd, tcp) == 0 &&
	    bind(fd, (struct sockaddr *)&address, len) == 0 &&
	    (!tcp || listen(fd, BACKLOG) == 0))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
dns_family_bind(struct dns_family *f, const struct ip_address *ip, uid_t owner)
{
	int saved;

	if (ip_equal(&f->address, ip))
		return 0;
	close_family(f);
	if (ip->family == IP_NONE)
		return 1;
	f->address = *ip;
	for (size_t i = 0; i < 2; i++) {
		f->fds[i] = open_listener(ip, i == 1, owner);
		if (f->fds[i] == -1) {
			saved = errno;
			close_family(f);
			errno = saved;
			return -1;
		}
	}
	return 1;
}

void
dns_listeners_close(struct dns_listeners *l)
{
	close_family(&l->v4);
	close_family(&l->v6);
}
