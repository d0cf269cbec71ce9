/*
 * Control packets through a client's tunnel (firezone-policy(7), CONTROL
 * PACKETS): what control-worker says by them, and what it is to read.
 */
#include <stdlib.h>
#include <string.h>

#include "net-worker/dataplane/engine/state.h"

void
control_send(struct engine *e, struct connection *c, enum control_event event,
    const void *payload, size_t len)
{
	struct shard_command command = {
		.type = SHARD_SEND,
		.connection = c->index,
	};
	uint8_t *bytes;

	if (paths_nominated(c->paths) == NULL)
		return;
	if (len > CONTROL_PAYLOAD_MAX ||
	    (bytes = malloc(CONTROL_PACKET_LEN + len)) == NULL)
		return;
	control_packet_begin(bytes, event, len);
	if (len > 0)
		memcpy(bytes + CONTROL_PACKET_LEN, payload, len);
	command.inner.bytes = bytes;
	command.inner.length = CONTROL_PACKET_LEN + len;
	shard_command(e, c->client, &command);
}

void
engine_shard_control(struct engine *e, const struct shard_control *s)
{
	struct connection *c = connection_of_index(e, s->connection);

	if (c != NULL)
		e->host->peer_event(e->host->ctx, client_id(c->client),
		    s->event, s->payload, s->length);
}

void
control_tell(struct engine *e, const struct client *client, uint8_t event,
    const char *text)
{
	if (client->connection != NULL && text[0] != '\0')
		control_send(e, client->connection, event, text, strlen(text));
}

void
engine_peer_message(struct engine *e, const struct ipc_peer_message *m)
{
	const struct client *client = client_find(e, &m->client);

	if (client != NULL)
		control_tell(e, client, m->event, m->payload);
}
