/*
 * Between IPv4 and IPv6: RFC 7915, with the choices of firezone-policy(7),
 * Translation between families.
 */
#ifndef TESTS_MODEL_MODEL_CROSS_H
#define TESTS_MODEL_MODEL_CROSS_H

#include "tests/model/model_packet.h"

/* Of IPv4, without options: longer ones are too long for IPv6. */
#define MODEL_CROSS_V4_MAX 1260
/* What becomes of those is cut. */
#define MODEL_WHOLE_MAX (MODEL_PACKET_MAX + 20)
#define MODEL_REST_MAX  (48 + 28)

/*
 * The packet, which was parsed, from that source to that destination, both of
 * the other family, with the port or id set as by model_rewrite(). Returns its
 * new length; 0 when it were too long and has DF, with nothing changed.
 */
size_t model_cross(uint8_t data[MODEL_WHOLE_MAX], size_t length,
    const struct model_packet *, const struct ip_address *source,
    const struct ip_address *destination, uint16_t value, bool first,
    struct model_checksums *);

/*
 * Of what has become too long for IPv6, and was identified like that in IPv4,
 * the first fragment; the length of the other one, or 0.
 */
size_t model_cut(uint8_t data[MODEL_WHOLE_MAX], size_t *length,
    unsigned identification, uint8_t rest[MODEL_REST_MAX],
    struct model_checksums *);

void model_identify(uint8_t *ipv4, unsigned identification);
/* Whether IPv6 has a fragment header, and which half of its is IPv4's. */
bool model_identification(
    const uint8_t *data, const struct model_packet *, unsigned *to);

/*
 * The same of a packet as an error quotes it, whatever its length: to "to",
 * which has room for 40 bytes more. 0 when its header says that it is shorter
 * than its headers are.
 */
size_t model_cross_quote(const uint8_t *data, size_t length,
    const struct model_packet *, const struct ip_address *source,
    const struct ip_address *destination, uint16_t value, uint8_t *to,
    struct model_checksums *);

/* What an ICMP error becomes. */
struct model_crossed_error {
	uint8_t type, code;
	uint32_t rest;
	bool mtu, pointer; /* what rest is */
};

/* icmp is its header. False when there is no such error. */
bool model_cross_error(
    bool from_v6, const uint8_t icmp[8], struct model_crossed_error *);

#endif /* TESTS_MODEL_MODEL_CROSS_H */
