/*
 * The engine: everything of the data plane that is not data. It keeps the
 * allocations on the relays, runs ICE and WireGuard handshakes, and turns the
 * portal's authorizations into the policies that the shards enforce. Each
 * client has one shard for as long as we know it.
 *
 * Sans-IO: messages of control-worker, datagrams that are not WireGuard data,
 * events of the shards and the time go in; datagrams, commands to a shard and
 * messages for control-worker come out, through the host, within the call or
 * when the engine settles.
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_ENGINE_H
#define NET_WORKER_DATAPLANE_ENGINE_ENGINE_H

#include "common/counters.h"
#include "common/ipc.h"
#include "common/site_networks.h"
#include "common/wall.h"
#include "net-worker/core/datagram.h"
#include "net-worker/core/flow.h"
#include "net-worker/dataplane/host.h"
#include "net-worker/dataplane/shard_commands.h"

/* The engine's way to the shards. */
struct engine_shards {
	void *ctx;
	unsigned count; /* at most SHARDS_MAX */
	void (*command)(
	    void *ctx, unsigned shard, const struct shard_command *);
	const struct counter_page *page; /* where they count */
};

struct engine;

/*
 * See dataplane.h. Host, sink and counters are the caller's. NULL without
 * memory.
 */
struct engine *engine_new(const struct dataplane_host *,
    const struct packet_sink *, const struct engine_shards *,
    struct engine_counters *, const struct clock_reading *, bool expose_host);
void engine_free(struct engine *); /* NULL is fine; wipes keys */
const uint8_t *engine_public_key(const struct engine *);

/*
 * The clocks now; before messages that hold unix times, and every so often, to
 * notice that the wall clock was set. That never prolongs a grant.
 */
void engine_clock(struct engine *, const struct clock_reading *);

/*
 * After what follows engine_settle() is called, at the latest at the end of a
 * turn: until then what the calls have set going waits.
 */
void engine_settle(struct engine *, struct mono);

/* Messages of control-worker, as ipc.def describes them. */
void engine_interface(
    struct engine *, struct mono, const struct ipc_interface *);
/* What no Internet resource opens, from now on; of the parent. */
void engine_site_networks(struct engine *, const struct site_networks *);
void engine_probed(struct engine *, const struct ipc_probed *);
void engine_relays_begin(struct engine *);
void engine_relay_removed(struct engine *, const struct uuid *);
void engine_relay_present(
    struct engine *, struct mono, const struct ipc_relay_present *);
void engine_relays_commit(struct engine *, struct mono);
void engine_authorization(
    struct engine *, struct mono, const struct ipc_authorization *);
void engine_revocation(struct engine *, const struct ipc_revocation *);
void engine_connection_drop(
    struct engine *, const struct ipc_connection_drop *);
void engine_grant_expiry(struct engine *, const struct ipc_grant_expiry *);
void engine_grants_begin(struct engine *);
void engine_grants_entry(struct engine *, const struct ipc_grants_entry *);
void engine_grants_commit(struct engine *);
void engine_resource_update(
    struct engine *, const struct ipc_resource_update *);
void engine_remote_candidates(
    struct engine *, struct mono, struct ipc_remote_candidates *);

void engine_assignment(
    struct engine *, struct mono, const struct ipc_assignment *);
void engine_name_resolved(
    struct engine *, struct mono, const struct ipc_name_resolved *);
void engine_peer_message(struct engine *, const struct ipc_peer_message *);
void engine_flow_settings(struct engine *, const struct ipc_flow_settings *);
void engine_flow_stored(struct engine *, const struct ipc_flow_stored *);

/*
 * control-worker is a new process: it is told every live candidate of ours and
 * every flow that its predecessor may not have stored, and a list that that one
 * had begun is forgotten.
 */
void engine_control_started(struct engine *);

/*
 * A datagram that is no shard's. False: it has set nothing going, and there is
 * nothing to settle; so it is with all that comes from strangers.
 */
bool engine_datagram(struct engine *, struct mono, const struct arrival *,
    const uint8_t *data, size_t len);
void engine_shard_event(
    struct engine *, struct mono, const struct shard_event *);
void engine_shard_control(struct engine *, const struct shard_control *);
void engine_shard_probe(
    struct engine *, struct mono, const struct shard_probe *);
/* Says in the log what did not pass, and why. */
void engine_shard_refusal(const struct shard_refusal *);
/* Whether control-worker has reports to store still. */
bool engine_has_flows(const struct engine *);
/* Offers what control-worker would not take before. */
void engine_tell_flows(struct engine *);
/* Whether there is room for another report. */
bool engine_takes_flows(const struct engine *);
void engine_shard_flow(
    struct engine *, struct mono now, const struct flow_report *);
struct mono engine_deadline(const struct engine *);
void engine_timeout(struct engine *, struct mono);

/* Goodbye to every client, the end of every flow; allocations are given back.
 */
void engine_shutdown(struct engine *);

/*
 * Queries, a page at a time (ipc.def: QUERY). A client has the number by which
 * the shard knows it; the shard knows its connection, too.
 */
struct engine_client {
	uint32_t number;
	struct ipc_query_client row; /* but for the serial and what is below */
};
/* At most max clients from that number on, in ascending order. */
size_t engine_query_clients(
    struct engine *, uint32_t from, struct engine_client *to, size_t max);
/* That one, if there is such a client. */
bool engine_query_client(
    struct engine *, const struct uuid *, struct engine_client *to);
/*
 * What is granted to clients from that number on, to the first from that grant
 * on; of_one: to that client alone. end says where the next page begins.
 */
size_t engine_query_grants(struct engine *, const struct ipc_query *,
    struct ipc_query_grant *to, size_t max, struct ipc_query_end *end);
/* But for the serial; false: it is not granted. */
bool engine_query_grant(struct engine *, const struct uuid *client,
    const struct uuid *resource, struct ipc_query_grant *);
/*
 * Fills in which grant of the client had that destination and has ended, if one
 * is remembered.
 */
void engine_query_ended(
    const struct engine *, const struct ipc_explain *, struct ipc_explained *);
/*
 * The packet of a client that is to be explained, without data; false: it uses
 * no such name.
 */
bool engine_query_packet(
    struct engine *, const struct ipc_explain *, struct packet *);
/*
 * Of a packet to a name that the client, which is there, has not asked for yet:
 * what the grants say that it may be of.
 */
void engine_query_name(
    struct engine *, const struct ipc_explain *, struct explanation *);
/* Fills in the path of the connection, if there is such a one. */
void engine_query_connection(
    struct engine *, uint32_t connection, struct ipc_query_client *);
/* The i-th relay but for the serial; false: there is none. */
bool engine_query_relay(
    const struct engine *, size_t i, struct ipc_query_relay *);
/*
 * The first resource with that meter or a greater one, but for the serial; from
 * is then what the next is found with. False: there is none.
 */
bool engine_query_resource(
    const struct engine *, uint32_t *from, struct ipc_query_resource *);

#endif /* NET_WORKER_DATAPLANE_ENGINE_ENGINE_H */
