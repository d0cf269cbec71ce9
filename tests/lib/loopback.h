/* UDP sockets on 127.0.0.1. */
#ifndef TESTS_LIB_LOOPBACK_H
#define TESTS_LIB_LOOPBACK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/address.h"
#include "tests/lib/unit.h"

/* Bound to a port that the kernel chooses; option, of IPPROTO_IP, is set. */
static inline int
open_loopback(struct endpoint *bound, int option)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
	socklen_t len = sizeof(name);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(
	    setsockopt(fd, IPPROTO_IP, option, &on, sizeof(on)), 0);
	assert_true(endpoint_from_sockaddr((struct sockaddr *)&name, bound));
	return fd;
}

#endif /* TESTS_LIB_LOOPBACK_H */
