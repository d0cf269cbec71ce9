/*
 * What is known of the test packets of ruleset.h, field by field, and whether
 * a field lies between two values. Pure.
 */
#ifndef PARENT_RULESET_PACKET_H
#define PARENT_RULESET_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "parent/ruleset.h"

#define PACKET_FIELD_MAX 16

/* What a register holds. */
enum subject {
	SUBJECT_OTHER,
	SUBJECT_IIFNAME,
	SUBJECT_OIFNAME,
	SUBJECT_IIF,
	SUBJECT_OIF,
	SUBJECT_CT_STATE,
	SUBJECT_FAMILY,     /* NFPROTO_, a byte */
	SUBJECT_ETHER_TYPE, /* network byte order */
	SUBJECT_PROTOCOL,
	SUBJECT_NETWORK_HEADER, /* from offset on */
	SUBJECT_PORT,           /* of the destination */
};

struct packet_field {
	enum subject subject;
	uint8_t offset; /* in the network header */
	uint8_t len;    /* bytes, at most PACKET_FIELD_MAX */
};

/* The length of the subject in a register; 0: that of the load. */
size_t subject_length(enum subject);

/* NF_CT_STATE_BIT() of the packet. */
uint32_t packet_ct_state(enum test_packet);

/*
 * Whether the first len bytes of the field, in the order of memcmp(3), lie
 * between the values, both included; ifindex is that of the TUN, 0 unknown.
 */
enum match packet_match(enum test_packet, const struct packet_field *,
    uint32_t ifindex, const uint8_t *low, const uint8_t *high, size_t len);

#endif /* PARENT_RULESET_PACKET_H */
