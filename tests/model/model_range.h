/* Ranges of addresses that the specification names, compared bit by bit. */
#ifndef TESTS_MODEL_MODEL_RANGE_H
#define TESTS_MODEL_MODEL_RANGE_H

#include "common/address.h"

/* A list of these ends with one of no family. */
struct model_range {
	uint8_t bits;
	uint8_t family;
	uint8_t bytes[16];
};

extern const struct model_range model_tunnel[], model_proxies[]; /* 1.1 */
extern const struct model_range model_multicast[];
extern const struct model_range model_rejected[]; /* 5.5 */
extern const struct model_range model_unusable[]; /* 6.4 */

bool model_covers(uint8_t family, const uint8_t *network, unsigned bits,
    const struct ip_address *);
bool model_within(const struct model_range *list, const struct ip_address *);
/* No address is the same as none. */
bool model_same(const struct ip_address *, const struct ip_address *);
bool model_one_of(const struct ip_address two[2], const struct ip_address *);

#endif /* TESTS_MODEL_MODEL_RANGE_H */
