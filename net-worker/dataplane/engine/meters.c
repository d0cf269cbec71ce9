/*
 * Which resources are counted on their own: there are few meters, so that the
 * packet path counts in one small table, and more resources share the first.
 */
#include "net-worker/dataplane/engine/state.h"

static bool
is_meter_free(const struct engine *e, size_t i)
{
	static const struct uuid none;

	return uuid_equal(&e->metered[i], &none) ||
	    holders_first(&e->holders, &e->metered[i]) == NULL;
}

static struct meter
read_meter(const struct counter_page *page, size_t i)
{
	return (struct meter){
		.outbound_packets = COUNTER_METER(page, i, outbound_packets),
		.outbound_bytes = COUNTER_METER(page, i, outbound_bytes),
		.inbound_packets = COUNTER_METER(page, i, inbound_packets),
		.inbound_bytes = COUNTER_METER(page, i, inbound_bytes),
	};
}

/*
 * Only shards write to a meter, so that it is not set to zero for its next
 * resource. Packets of the last one that are still on their way to a shard
 * would be counted for the next; but nearly always nobody has been granted the
 * last one for longer than that.
 */
uint8_t
meter_of(struct engine *e, const struct uuid *resource)
{
	size_t found = 0;

	for (size_t i = METERS - 1; i > 0; i--) {
		if (uuid_equal(&e->metered[i], resource))
			return (uint8_t)i;
		if (is_meter_free(e, i))
			found = i;
	}
	if (found != 0) {
		e->metered[found] = *resource;
		e->metered_before[found] = read_meter(e->shards.page, found);
	}
	return (uint8_t)found;
}

bool
engine_query_resource(
    const struct engine *e, uint32_t *from, struct ipc_query_resource *row)
{
	size_t i = *from;

	for (i = i == 0 ? 1 : i; i < METERS; i++) {
		if (is_meter_free(e, i))
			continue;
		*row = (struct ipc_query_resource){
			.meter = (uint8_t)i,
			.resource = e->metered[i],
			.outbound_packets =
			    e->metered_before[i].outbound_packets,
			.outbound_bytes = e->metered_before[i].outbound_bytes,
			.inbound_packets = e->metered_before[i].inbound_packets,
			.inbound_bytes = e->metered_before[i].inbound_bytes,
		};
		*from = (uint32_t)i + 1;
		return true;
	}
	return false;
}
