/* A set-associative table of token buckets: see source_limit.h. */
#include "net-worker/core/wireguard/source_limit.h"

#include <string.h>

#include "common/buffer.h"

void
source_limit_init(struct source_limit *l)
{
	memset(l, 0, sizeof(*l));
	crypto_shorthash_keygen(l->secret);
}

static uint64_t
source_network_of(const struct ip_address *ip)
{
	return ip->family == IP_V4 ? load_be32(ip->bytes)
				   : load_be64(ip->bytes);
}

static struct limited_source *
source_set_of(struct source_limit *l, uint64_t network, enum ip_family family)
{
	uint8_t key[sizeof(network) + 1], hash[crypto_shorthash_BYTES];

	store_be64(key, network);
	key[sizeof(network)] = (uint8_t)family;
	crypto_shorthash(hash, key, sizeof(key), l->secret);
	return l->sources[load_be32(hash) % SOURCE_LIMIT_SETS];
}

bool
source_limit_take(
    struct source_limit *l, struct mono now, const struct ip_address *ip)
{
	uint64_t network = source_network_of(ip);
	struct limited_source *set = source_set_of(l, network, ip->family);
	struct limited_source *s = &set[0];

	for (size_t i = 0; i < SOURCE_LIMIT_WAYS; i++) {
		if (set[i].network == network && set[i].family == ip->family) {
			s = &set[i];
			break;
		}
		if (mono_before(set[i].bucket.full, s->bucket.full))
			s = &set[i];
	}
	if (s->network != network || s->family != ip->family)
		*s = (struct limited_source){
			.network = network,
			.family = ip->family,
		};
	return bucket_take(&s->bucket, now, SOURCE_LIMIT_BURST,
	    SOURCE_LIMIT_INTERVAL_MS);
}
