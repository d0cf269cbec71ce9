/* Where the threads meet: see junction.h. */
#include "net-worker/dataplane/junction.h"

#include "net-worker/core/turn/allocation.h"
#include "net-worker/core/turn/channel_data.h"
#include "net-worker/core/wireguard/message.h"

bool
junction_init(struct junction *j, unsigned shards, uint8_t *homes,
    const struct dataplane_host *host)
{
	j->shards = shards;
	j->host = host;
	j->homes = homes;
	j->strays = strays_new(SHARD_THREAD(shards));
	return j->strays != NULL;
}

void
junction_free(struct junction *j)
{
	strays_free(j->strays);
}

unsigned
junction_owner(const struct junction *j, const struct arrival *a,
    const uint8_t *data, size_t len)
{
	uint16_t channel;
	size_t header = 0;

	if (a->from.port == TURN_PORT)
		header = channel_data_open(data, &len, &channel);
	data += header;
	if (message_classify(data, len) != MESSAGE_DATA)
		return ENGINE_THREAD;
	return SHARD_THREAD(
	    SESSION_SHARD(message_receiver(MESSAGE_DATA, data)) % j->shards);
}

void
junction_pass(struct junction *j, unsigned from, unsigned to,
    const struct arrival *arrival, const uint8_t *data, size_t len,
    struct io_counters *counters, thread_set *given)
{
	if (!strays_pass(j->strays, from, to, arrival, data, len)) {
		counters->strays_lost++;
		return;
	}
	if (arrival == NULL)
		counters->strays_tun++;
	else
		counters->strays_udp++;
	*given |= 1u << to;
}

void
junction_wake(struct junction *j, thread_set *threads)
{
	for (unsigned i = 0; *threads != 0; i++, *threads >>= 1)
		if ((*threads & 1) != 0 && doorbell_ring(&j->bell[i]))
			j->host->wake(j->host->ctx, i);
}
