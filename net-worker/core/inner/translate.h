/*
 * Translation of packets between IPv4 and IPv6 (RFC 7915), for the names that
 * have addresses of one family only: firezone-policy(7), Translation between
 * families.
 *
 * What comes here is what NAT can follow, whole packets of TCP, UDP and echo of
 * at most INNER_PACKET_MAX bytes and the errors about them. So of the RFC:
 *
 *	4.1	ToS becomes traffic class and TTL becomes hop limit, the flow
 *		label is 0, options are left out. TTL and hop limit are not
 *		counted down: the host's kernel does that when it forwards.
 *	4.4	A packet that would be too long is refused, and it is for the
 *		caller to say so to its sender. It is not cut into fragments,
 *		with DF or without, because nobody takes fragments out of a
 *		tunnel.
 *	4.5	A UDP checksum of 0 is computed.
 *	5.1	Extension headers are left out, that of an atomic fragment too.
 *		No packet becomes longer than 1260 bytes, so that DF is 0 and
 *		links below an MTU of 1280 can cut it, for which it gets an
 *		identification.
 *	4.2-3, 5.2-3
 *		Errors are unreachable, too big and time exceeded, what they
 *		quote translated as well. Parameter problems and the other kinds
 *		of ICMP are refused before, as without translation.
 *
 * There are no fragments to translate, and whoever names further hops to visit
 * is refused before: firezone-policy(7), Validity and IPv6 extension headers.
 *
 * Checksums are updated incrementally, so that a wrong one stays wrong.
 */
#ifndef NET_WORKER_CORE_INNER_TRANSLATE_H
#define NET_WORKER_CORE_INNER_TRANSLATE_H

#include "net-worker/core/inner/icmp.h"
#include "net-worker/core/inner/packet.h"

/* The longest packet of IPv4 without options that fits when it is of IPv6. */
#define TRANSLATE_V4_MAX 1260

/* How much longer the packet, which was parsed, is in the other family. */
size_t translate_growth(const struct packet *);
/* Whether it fits then. */
bool translate_fits(const struct packet *);

/*
 * Makes a packet of the family of source and destination out of one of the
 * other, in place: it may begin and end elsewhere, within its headroom and
 * tailroom, which together have room for its growth. All fields of the packet
 * follow. identification is for IPv4.
 *
 * False, with the packet as it was, when it does not fit, has no room, or is
 * neither TCP, UDP nor echo.
 */
bool translate_packet(struct packet *, const struct ip_address *source,
    const struct ip_address *destination, uint16_t identification);

/*
 * Type, code and rest of the header of what the error, which quotes quote, is
 * in the other family; the other members of "to" are left alone. False when it
 * is nothing there.
 *
 * An MTU is told 20 bytes larger in IPv6 and smaller in IPv4, but never more
 * than a tunnel has. A router that tells none (before RFC 1191) means the next
 * lower of the plateaus that are usual.
 */
bool translate_error(const struct packet *error, const struct packet *quote,
    struct icmp_error *to);

/*
 * Writes what an error quotes as a packet of the family of source and
 * destination to "to", of INNER_PACKET_MAX bytes, as much as has room; quote
 * then is that. False when its header contradicts itself.
 */
bool translate_quote(struct packet *quote, const struct ip_address *source,
    const struct ip_address *destination, uint8_t *to);

#endif /* NET_WORKER_CORE_INNER_TRANSLATE_H */
