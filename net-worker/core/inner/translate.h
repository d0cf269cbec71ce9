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
 *	4	A packet with DF that would be too long is refused, and it is
 *		for the caller to say so to its sender (4.4). One without is
 *		cut into two fragments, whose identification is its own. No
 *		other gets a fragment header.
 *	4.5	A UDP checksum of 0 is computed, of what is cut as well, as it
 *		is whole until then.
 *	5.1	Extension headers are left out. No packet becomes longer than
 *		1260 bytes, so that DF is 0 and links below an MTU of 1280 can
 *		cut it, for which it gets an identification.
 *	5.1.1	That of an atomic fragment is the lower half of what it had.
 *	4.2-3, 5.2-3
 *		Errors are unreachable, too big and time exceeded, what they
 *		quote translated as well. Parameter problems and the other kinds
 *		of ICMP are refused before, as without translation.
 *
 * There are no other fragments to translate, as none gets past the parser:
 * firezone-policy(7), Fragments. One that an error quotes is taken for the
 * packet that the client sent, in so far as it is quoted. And whoever names
 * further hops to visit is refused before: firezone-policy(7), Validity and
 * IPv6 extension headers.
 *
 * Checksums are updated incrementally, so that a wrong one stays wrong.
 */
#ifndef NET_WORKER_CORE_INNER_TRANSLATE_H
#define NET_WORKER_CORE_INNER_TRANSLATE_H

#include "net-worker/core/inner/icmp.h"
#include "net-worker/core/inner/packet.h"

/* The longest packet of IPv4 without options that fits when it is of IPv6. */
#define TRANSLATE_V4_MAX 1260

/* The longest that becomes of a packet, with what is in front to cut it. */
#define TRANSLATE_WHOLE_MAX (INNER_PACKET_MAX + 28)
/* The longest second fragment. */
#define TRANSLATE_REST_MAX (48 + 28)

/* How much room around it the packet, which was parsed, needs to be turned. */
size_t translate_growth(const struct packet *);
/* Whether it fits then, be it in two. */
bool translate_fits(const struct packet *);

/*
 * Makes a packet of the family of source and destination out of one of the
 * other, in place: it may begin and end elsewhere, within its headroom and
 * tailroom, which together have room for its growth. All fields of the packet
 * follow. identification is for IPv4, unless the packet has one.
 *
 * What was IPv4 without DF may be longer than INNER_PACKET_MAX then, and is to
 * be cut as soon as nothing is to be changed in it any more.
 *
 * False, with the packet as it was, when it does not fit, has no room, or is
 * neither TCP, UDP nor echo.
 */
bool translate_packet(struct packet *, const struct ip_address *source,
    const struct ip_address *destination, uint16_t identification);

/*
 * Cuts what translate_packet() has made too long: the packet is its first
 * fragment then, and the second one is written to rest, of TRANSLATE_REST_MAX
 * bytes. Returns its length, or 0 when there is none.
 */
size_t translate_cut(struct packet *, uint8_t *rest);

/*
 * Type, code and rest of the header of what the error is in the other family;
 * the other members of "to" are left alone. False when it is nothing there.
 *
 * An MTU is told 20 bytes smaller in IPv4, but never more than a tunnel has. In
 * IPv6 it is 1280, whatever the router says, if it says anything: RFC 7915, 4.2
 * allows no less, and the tunnel has no more.
 */
bool translate_error(const struct packet *error, struct icmp_error *to);

/*
 * Writes what an error quotes as a packet of the family of source and
 * destination to "to", of INNER_PACKET_MAX bytes, as much as has room; quote
 * then is that. False when its header contradicts itself, or tells a length
 * that there is not in the other family.
 */
bool translate_quote(struct packet *quote, const struct ip_address *source,
    const struct ip_address *destination, uint8_t *to);

#endif /* NET_WORKER_CORE_INNER_TRANSLATE_H */
