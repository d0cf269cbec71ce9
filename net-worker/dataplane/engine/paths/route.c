/*
 * The way between two ends: directly, or over a relay of ours by a channel
 * (firezone-tunnel(7), Relayed paths).
 */
#include <string.h>

#include "net-worker/core/turn/channel_data.h"
#include "net-worker/dataplane/engine/paths/table.h"

struct allocation *
relay_of(struct path_table *t, const struct paths *p)
{
	return p->has_relay ? relays_find(t->relays, &p->relay) : NULL;
}

static void
log_no_channel(struct path_table *t, struct mono now, const struct paths *p)
{
	char who[UUID_TEXT_LEN + 1], which[UUID_TEXT_LEN + 1];
	uint32_t held;

	if (log_allow(&t->channels_log, now.ns, &held))
		log_warnx("client %s has named more addresses than it gets "
			  "channels for on relay %s: no channel (%u more "
			  "before)",
		    uuid_format(&p->owner.client, who),
		    uuid_format(&p->relay, which), held);
}

/* Whoever has its share is told of, whatever it wants the channel for. */
static void
bind_channel(struct path_table *t, struct mono now, const struct paths *p,
    struct allocation *relay, const struct endpoint *remote, bool on_relay)
{
	struct turn_owner owner = p->owner;

	owner.relays = on_relay;
	if (allocation_bind(relay, now, remote, &owner))
		return;
	t->counters->channels_refused++;
	log_no_channel(t, now, p);
}

void
route(struct path_table *t, struct mono now, const struct paths *p,
    struct path *path)
{
	struct allocation *relay = relay_of(t, p);
	struct endpoint own;

	path->channel = 0;
	if (!path->relayed || relay == NULL)
		return;
	own = allocation_relayed(relay, path->local.ip.family);
	if (!endpoint_equal(&own, &path->local) ||
	    !allocation_server(relay, &path->relay))
		return;
	path->channel = allocation_channel(relay, now, &path->remote);
	if (path->channel == 0)
		bind_channel(t, now, p, relay, &path->remote, false);
}

bool
paths_send_on(
    struct path_table *t, const struct path *path, const void *data, size_t len)
{
	size_t header = path->relayed ? CHANNEL_DATA_OVERHEAD : 0;
	uint8_t *room;

	if (!path_is_usable(path))
		return false;
	room = t->sink->udp(t->sink->ctx, path_next_hop(path),
	    path_source(path), 0, header + len);
	if (room == NULL)
		return false;
	if (path->relayed)
		room = channel_data_begin(room, path->channel, len);
	memcpy(room, data, len);
	return true;
}

bool
paths_send(struct path_table *t, struct mono now, struct paths *p,
    const void *data, size_t len)
{
	/* Before there is a path it has no ends, and is not usable. */
	route(t, now, p, &p->path);
	return paths_send_on(t, &p->path, data, len);
}

void
open_channel(struct path_table *t, struct mono now, const struct paths *p,
    const struct candidate *remote)
{
	struct allocation *relay = relay_of(t, p);

	/* Old clients name dozens of other addresses before those on relays. */
	if (relay != NULL && remote->kind != CANDIDATE_HOST)
		bind_channel(t, now, p, relay, &remote->address,
		    remote->kind == CANDIDATE_RELAYED);
}
