/* Routes as a socket shows them: see route.h. */
#include "control-worker/net/route.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
look_at_socket(int fd, const struct endpoint *to, struct route *r)
{
	const bool v6 = to->ip.family == IP_V6;
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	struct endpoint from;
	int mtu = 0;

	r->exists = true;
	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	    endpoint_from_sockaddr((struct sockaddr *)&address, &from))
		r->from = from.ip;
	len = sizeof(mtu);
	if (getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		v6 ? IPV6_MTU : IP_MTU, &mtu, &len) == 0 &&
	    mtu > 0)
		r->mtu = (uint32_t)mtu;
}

void
route_look(const struct endpoint *to, struct route *r)
{
	struct sockaddr_storage address;
	socklen_t len = endpoint_to_sockaddr(to, &address);
	int fd;

	*r = (struct route){ 0 };
	if (len == 0)
		return;
	fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, len) == -1)
		strlcpy(r->error, strerrordesc_np(errno), sizeof(r->error));
	else
		look_at_socket(fd, to, r);
	if (fd != -1)
		close(fd);
}
