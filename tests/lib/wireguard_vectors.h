/*
 * The bytes of firezone-tunnel(7), WireGuard vectors: one handshake between
 * counting keys, whose ephemeral ones come from a libsodium that counts too.
 */
#ifndef TESTS_LIB_WIREGUARD_VECTORS_H
#define TESTS_LIB_WIREGUARD_VECTORS_H

#include <sodium.h>

#include "net-worker/core/wireguard/noise.h"
#include "tests/lib/unit.h"

#define INITIATOR_INDEX 0x00abcd01
#define RESPONDER_INDEX 0xb9f9ba01

static const char vector_initiation[] = "\
0100000001cdab0079a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89\
af85a51af0225eb421886af8f54fb31289d49dcd82b0f6f3279d40d7cff913fece0c64ad\
226eef3320755b393b72f16842c8d7ee78a74e9371dde02d88af21d44077a9d98340ad01\
c8a7c1b8dc906d363f420c73f91343fc6117092da0c9b1d6000000000000000000000000\
00000000";

static const char vector_response[] = "\
0200000001baf9b901cdab00675dd574ed7789310b3d2e7681f3790b466c773b1521fecf\
36577958371ea52fbd3aa8941394643bfd1d5336300c2e1810b7a4c31d3067048837359a\
3a96b0f100000000000000000000000000000000";

static const char vector_key_to_responder[] = "\
f26d13be8f8fe7fe36805b47503285e73bcb2fc6fe3ef37834e5f6128ad8cf50";
static const char vector_key_to_initiator[] = "\
083bdab92ffb8da7ab5063bb2d96de2b7e09008d8e07bcf96ac25c340a778665";

static const char vector_keepalive_to_responder[] = "\
0400000001baf9b90000000000000000c05b5687dc9e973b4033587e96b81434";
static const char vector_keepalive_to_initiator[] = "\
0400000001cdab000000000000000000d5c9afb37f7012a8f1488fcc6f8d3bfa";

static const char vector_goodbye[] = "\
6000000000 08ff00 \
0000000000000000000000000000000000000000000000000000000000000000 \
0200000000000000";
static const char vector_goodbye_sealed[] = "\
0400000001cdab0001000000000000006fcba6c31605a8c19e9e2f84d0caaa335c4d9f0c\
585a0d1b5db8e742aac36708ba7a2d620c727e039e0e4ce7236344589f074b1b3b198f59\
ef0e4ba70e4fcc09";

static const char vector_cookie_reply[] = "\
0300000001cdab00000102030405060708090a0b0c0d0e0f1011121314151617a8959af3\
f914ca33554a31625977cfd2ea9455d877de131a79924210059bc8f7";
static const char vector_cookie[] = "4d9112f99e78df1f536cb4687756790f";
static const char vector_initiation_mac2[] = "\
0100000001cdab0079a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89\
af85a51af0225eb421886af8f54fb31289d49dcd82b0f6f3279d40d7cff913fece0c64ad\
226eef3320755b393b72f16842c8d7ee78a74e9371dde02d88af21d44077a9d98340ad01\
c8a7c1b8dc906d363f420c73f91343fc6117092da0c9b1d65468832f6d60babf1b807893\
667e65ff";

static inline void
counting(uint8_t first, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(first + i);
}

/* What every draw of random bytes begins with. */
static uint8_t random_first;

static const char *
random_name(void)
{
	return "counting";
}

static void
random_buf(void *const to, const size_t len)
{
	counting(random_first, to, len);
}

static uint32_t
random_below(const uint32_t bound)
{
	return random_first % bound;
}

static randombytes_implementation counting_random = {
	.implementation_name = random_name,
	.uniform = random_below,
	.buf = random_buf,
};

/* From here on random bytes count, beginning with first. */
static inline void
random_counts_from(uint8_t first)
{
	random_first = first;
	randombytes_set_implementation(&counting_random);
}

static inline void
random_is_random(void)
{
	randombytes_set_implementation(&randombytes_sysrandom_implementation);
}

/* The two ends, each with the other as its peer. */
struct ends {
	struct noise_identity initiator, responder;
	struct noise_peer to_responder; /* the initiator's */
	struct noise_peer to_initiator; /* the responder's */
};

static inline void
ends_init(struct ends *e)
{
	uint8_t key[NOISE_KEY_LEN], preshared_key[NOISE_KEY_LEN];

	counting(0x00, key, sizeof(key));
	assert_true(noise_identity_from_private(&e->initiator, key));
	counting(0x20, key, sizeof(key));
	assert_true(noise_identity_from_private(&e->responder, key));
	counting(0x80, preshared_key, sizeof(preshared_key));
	assert_true(noise_peer_init(&e->to_responder, &e->initiator,
	    e->responder.public_key, preshared_key));
	assert_true(noise_peer_init(&e->to_initiator, &e->responder,
	    e->initiator.public_key, preshared_key));
}

#endif /* TESTS_LIB_WIREGUARD_VECTORS_H */
