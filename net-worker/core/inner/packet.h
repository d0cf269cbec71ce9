/*
 * Inner IP packets: the one parser (firezone-policy(7), PACKETS) and the
 * arithmetic of checksums.
 */
#ifndef NET_WORKER_CORE_INNER_PACKET_H
#define NET_WORKER_CORE_INNER_PACKET_H

#include "common/address.h"
#include "net-worker/core/datagram.h"

enum packet_result {
	PACKET_OK,
	PACKET_MALFORMED,
	PACKET_FRAGMENT,
	PACKET_TOO_LONG,
};

enum packet_kind {
	PACKET_TCP,
	PACKET_UDP,
	PACKET_ICMP_ECHO,  /* request or reply: source_port holds the id */
	PACKET_ICMP_ERROR, /* firezone-policy(7), ICMP kinds; its quote parses */
	PACKET_ICMP_OTHER,
	PACKET_OTHER,
};

struct packet {
	uint8_t *data;
	size_t length;
	/*
	 * Bytes in front of and behind it that are free to be written; none,
	 * unless who had it parsed says so.
	 */
	size_t headroom, tailroom;
	/* The rest of its transport, which is a fragment of its own by now. */
	size_t cut_off;
	enum packet_kind kind;
	struct ip_address source, destination;
	uint8_t protocol;  /* of the transport, after IPv6 extensions */
	size_t transport;  /* offset of the transport header */
	bool source_route; /* the sender names further hops to visit */
	/* IPv4, or a fragment header, of which it is the lower half. */
	bool identified;
	uint16_t identification;
	uint16_t source_port, destination_port; /* TCP, UDP; else 0 */
};

/*
 * Accepts what is valid: firezone-policy(7), Validity. The packet points into
 * data; it is worth nothing unless the result is PACKET_OK.
 */
enum packet_result packet_parse(uint8_t *data, size_t length, struct packet *);

/*
 * The packet quoted inside an ICMP error, of the kind TCP, UDP or ICMP echo and
 * as long as the rest of the error; it need not be complete. False, and not to
 * be looked at, unless the kind of the outer one is PACKET_ICMP_ERROR.
 */
bool packet_quote(const struct packet *error, struct packet *quote);

/* Whether routers may not cut it: DF, or IPv6. */
bool packet_forbids_fragments(const struct packet *);
/* Of an echo: whether it is a reply. */
bool packet_is_echo_reply(const struct packet *);

/*
 * Ones'-complement sum of the bytes on top of sum, not inverted. Only the last
 * of several pieces may have an odd length.
 */
uint32_t checksum_add(uint32_t sum, const void *, size_t len);
/* Folds and inverts: the value for a header, in host order. */
uint16_t checksum_finish(uint32_t sum);
/* The pseudo-header of both families. */
uint32_t checksum_pseudo(const struct ip_address *source,
    const struct ip_address *destination, uint8_t protocol, size_t length);
/*
 * The checksum after one 16-bit word that it covers has changed (RFC 1624),
 * never 0: firezone-policy(7), Checksums. A wrong checksum stays wrong.
 */
uint16_t checksum_update(uint16_t checksum, uint16_t before, uint16_t after);

/* The two ECN bits of a packet that was parsed. */
uint8_t packet_ecn(const struct packet *);
/* Outer CE on an ECT inner packet: firezone-policy(7), ECN. */
void packet_mark_ce(struct packet *);

#endif /* NET_WORKER_CORE_INNER_PACKET_H */
