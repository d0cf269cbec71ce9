/*
 * The data plane's UDP sockets (firezone-tunnel(7), Binding and Socket options;
 * posternd(8), The network): one SO_REUSEPORT group per family, socket 0 the
 * engine's, 1..N the shards'.
 */
#ifndef PARENT_SOCKETS_H
#define PARENT_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_SOCKETS_MAX 9

#define UDP_RECEIVE_BYTES (16 << 20)
#define UDP_SEND_BYTES    (2 << 20)

struct udp_sockets {
	int v4[UDP_SOCKETS_MAX]; /* -1: not there */
	int v6[UDP_SOCKETS_MAX];
	unsigned count;   /* sockets per family */
	uint16_t port_v4; /* 0: the family is not available */
	uint16_t port_v6;
};

struct udp_options {
	unsigned count;    /* sockets per family, at least 1 */
	int receive_bytes; /* SO_RCVBUF to ask for; 0: UDP_RECEIVE_BYTES */
	int send_bytes;    /* SO_SNDBUF; 0: UDP_SEND_BYTES */
};

/*
 * The first socket of a port is bound before it shares the port, so that a
 * second daemon does not join the group; 52625, else a port of the kernel's
 * choice for that family alone. A family that cannot be bound is left out with
 * a log line. All are non-blocking. Returns -1 with a sentence in why when
 * both are missing or the mark cannot be set.
 */
int udp_sockets_open(struct udp_sockets *, const struct udp_options *,
    char *why, size_t why_size);
/* Harmless after a failed udp_sockets_open() and when called twice. */
void udp_sockets_close(struct udp_sockets *);

#endif /* PARENT_SOCKETS_H */
