/*
 * Inner packets (firezone-policy(7), PACKETS) and ICMP errors
 * (firezone-policy(7), ICMP replies and Rebuilt ICMP errors): the part of the
 * model that looks at bytes.
 */
#ifndef TESTS_MODEL_MODEL_PACKET_H
#define TESTS_MODEL_MODEL_PACKET_H

#include "common/address.h"

#define MODEL_PACKET_MAX 1280

enum model_kind {
	MODEL_TCP,
	MODEL_UDP,
	MODEL_ECHO,
	MODEL_ICMP_ERROR, /* with a quote that can be read */
	MODEL_ICMP_OTHER,
	MODEL_OTHER,
};

struct model_packet {
	enum model_kind kind;
	struct ip_address source, destination;
	uint8_t protocol;
	size_t transport; /* where its header starts */
	bool source_route;
	uint16_t source_port, destination_port; /* echo: the id, twice */
};

/* 9.1 and 9.2: false when it is not accepted. */
bool model_parse(const uint8_t *data, size_t length, struct model_packet *);
/* 6.9: what an ICMP error quotes; false when nothing can be made of it. */
bool model_parse_quote(
    const uint8_t *data, size_t length, struct model_packet *);

/*
 * The places of checksums in a packet that was changed, and whether one is a
 * UDP checksum, to which 0 means that there is none.
 */
struct model_checksums {
	size_t at[4];
	bool udp[4];
	size_t count;
};

/* The Internet checksum of len bytes after those that sum holds. */
uint32_t model_sum(uint32_t sum, const uint8_t *data, size_t len);
uint16_t model_finish(uint32_t sum);
uint32_t model_pseudo_sum(const struct ip_address *from,
    const struct ip_address *to, uint8_t protocol, size_t length);

/* Numbers of two bytes, and addresses in the header of their family. */
unsigned model_word(const uint8_t *);
void model_put_word(uint8_t *, unsigned value);
void model_put_address(
    uint8_t *data, bool destination, const struct ip_address *);
/*
 * 6.8: a wrong checksum stays wrong, by as much, in ones' complement: it was to
 * be right_then, and is to be right_now.
 */
void model_set_checksum(
    uint8_t *field, uint16_t right_then, uint16_t right_now);
void model_note(struct model_checksums *, size_t at, bool udp);
/* Where the checksum of the transport is, in its header. */
size_t model_field_of(const struct model_packet *);

/*
 * Writes new addresses and the new port or id into a packet, or what is there
 * of it; the checksums are wrong afterwards by as much as they were before.
 * NULL: that address stays. first says which port it is.
 */
void model_rewrite(uint8_t *data, size_t length, const struct model_packet *,
    const struct ip_address *source, const struct ip_address *destination,
    uint16_t value, bool first, struct model_checksums *);

/* An ICMP error around a quote; returns its length. */
size_t model_icmp(uint8_t to[MODEL_PACKET_MAX], const struct ip_address *from,
    const struct ip_address *destination, uint8_t type, uint8_t code,
    uint32_t rest, const uint8_t *quote, size_t length);

#endif /* TESTS_MODEL_MODEL_PACKET_H */
