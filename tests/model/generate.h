/* Random packets, weighted so that what is rare on a network is not here. */
#ifndef TESTS_MODEL_GENERATE_H
#define TESTS_MODEL_GENERATE_H

#include "tests/model/world.h"

#define GENERATED_MAX 1400 /* bytes */

size_t generate_outbound(struct world *, uint8_t to[GENERATED_MAX]);
size_t generate_inbound(struct world *, uint8_t to[GENERATED_MAX]);
/* UDP from the client, with nothing unusual about it. */
size_t generate_plain(struct world *, const struct ip_address *to,
    uint16_t port, uint8_t data[GENERATED_MAX]);
/* What a resource answers to that, if it answers. */
size_t generate_plain_reply(struct world *, const struct ip_address *from,
    uint16_t port, uint8_t data[GENERATED_MAX]);

#endif /* TESTS_MODEL_GENERATE_H */
