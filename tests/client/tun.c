/*
 * The TUN device by the classic ioctls, which suffice for one address of each
 * family and a route per resource.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/client/client.h"

#define HOST_METRIC 256

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20 /* Linux 6.2 */
#define TUN_F_USO6 0x40
#endif

static int
request_on(int family, unsigned long request, void *argument)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r, error;

	if (fd == -1)
		return -1;
	r = ioctl(fd, request, argument);
	error = errno;
	close(fd);
	errno = error;
	return r;
}

static struct ifreq
named(const char *name)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return ifr;
}

static void
set_address(struct sockaddr *to, const struct ip_address *ip)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	memcpy(&in.sin_addr, ip->bytes, sizeof(in.sin_addr));
	memcpy(to, &in, sizeof(in));
}

static void
set_mask(struct sockaddr *to, unsigned bits)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = bits == 0 ? 0 : htonl(UINT32_MAX << (32 - bits));
	memcpy(to, &in, sizeof(in));
}

int
tun_open(const char *name, bool *udp)
{
	const unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct ifreq ifr = named(name);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return -1;
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &ifr) == -1) {
		close(fd);
		return -1;
	}
	*udp = ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0;
	if (!*udp && ioctl(fd, TUNSETOFFLOAD, tso) == -1) {
		close(fd);
		return -1;
	}
	ifr = named(name);
	ifr.ifr_mtu = PACKET_MAX;
	if (request_on(AF_INET, SIOCSIFMTU, &ifr) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
tun_configure(
    const char *name, const struct ip_address *v4, const struct ip_address *v6)
{
	struct ifreq ifr = named(name);
	struct in6_ifreq ifr6 = { .ifr6_prefixlen = 128 };

	set_address(&ifr.ifr_addr, v4);
	if (request_on(AF_INET, SIOCSIFADDR, &ifr) == -1)
		return -1;
	set_mask(&ifr.ifr_netmask, 32);
	if (request_on(AF_INET, SIOCSIFNETMASK, &ifr) == -1 ||
	    request_on(AF_INET, SIOCGIFFLAGS, &ifr) == -1)
		return -1;
	ifr.ifr_flags |= IFF_UP;
	if (request_on(AF_INET, SIOCSIFFLAGS, &ifr) == -1)
		return -1;
	memcpy(&ifr6.ifr6_addr, v6->bytes, sizeof(ifr6.ifr6_addr));
	ifr6.ifr6_ifindex = (int)if_nametoindex(name);
	return request_on(AF_INET6, SIOCSIFADDR, &ifr6);
}

static int
route4(const char *name, const struct ip_prefix *p, unsigned long request)
{
	char device[IFNAMSIZ];
	struct rtentry rt = { .rt_flags = RTF_UP, .rt_dev = device };

	strncpy(device, name, sizeof(device) - 1);
	device[sizeof(device) - 1] = '\0';
	set_address(&rt.rt_dst, &p->ip);
	set_mask(&rt.rt_genmask, p->length);
	return request_on(AF_INET, request, &rt);
}

static int
route6(const char *name, const struct ip_prefix *p, unsigned long request)
{
	struct in6_rtmsg rt = {
		.rtmsg_dst_len = p->length,
		.rtmsg_metric = HOST_METRIC,
		.rtmsg_flags = RTF_UP,
		.rtmsg_ifindex = (int)if_nametoindex(name),
	};

	memcpy(&rt.rtmsg_dst, p->ip.bytes, sizeof(rt.rtmsg_dst));
	return request_on(AF_INET6, request, &rt);
}

int
tun_route(const char *name, const struct ip_prefix *p, bool add)
{
	unsigned long request = add ? SIOCADDRT : SIOCDELRT;

	return p->ip.family == IP_V4 ? route4(name, p, request)
				     : route6(name, p, request);
}
