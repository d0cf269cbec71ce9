/*
 * A DNS message over TCP, with its length in front of it (RFC 1035, 4.2.2), as
 * far as the socket gives or takes it. All zero is none.
 */
#ifndef CONTROL_WORKER_DNS_TCP_MESSAGE_H
#define CONTROL_WORKER_DNS_TCP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_message {
	uint8_t prefix[2];
	uint8_t *bytes; /* NULL before the length is known */
	size_t len;
	size_t done; /* of prefix and bytes: read, or written */
};

/* A copy, to be written. False when it is too long, or without memory. */
bool tcp_message_set(struct tcp_message *, const uint8_t *, size_t len);
void tcp_message_clear(struct tcp_message *);

/* On a socket that does not block. 1: complete, 0: later, -1: never. */
int tcp_message_read(struct tcp_message *, int fd);
/* In one piece with its length, which some clients want. */
int tcp_message_write(struct tcp_message *, int fd);

#endif /* CONTROL_WORKER_DNS_TCP_MESSAGE_H */
