/* The ICE-less mode in this client: see iceless_mode.h. */
#include "tests/client/iceless_mode.h"

#include <string.h>

#include "tests/client/client.h"

#define NO_CANDIDATE_MS 10000

static void
send_handshake(
    void *context, const struct path *path, const void *message, size_t len)
{
	client_send_path(context, path, message, len);
}

static void
send_probe(
    void *context, const struct path *path, const uint8_t *packet, size_t len)
{
	tunnel_send_along(context, path, packet, len);
}

static void
take_primary(void *context, const struct path *path, bool relayed)
{
	client_path(context, path, relayed);
}

void
iceless_mode_init(struct client *c)
{
	c->iceless_output = (struct iceless_output){
		.context = c,
		.send = send_handshake,
		.probe = send_probe,
		.primary = take_primary,
	};
	c->iceless.output = &c->iceless_output;
}

static void
tell_line(
    const struct client *c, const char *word, const struct iceless_candidate *l)
{
	char line[ICELESS_LINE_SIZE];

	iceless_line_format(l, line);
	portal_send(c, "%s %s %s", word, c->gateway, line);
	if (strcmp(word, "candidate") == 0)
		event("%s", line);
}

void
iceless_mode_announce(const struct client *c)
{
	for (size_t i = 0; i < c->iceless.n_locals; i++)
		tell_line(c, "candidate", &c->iceless.locals[i]);
}

void
iceless_mode_start(struct client *c)
{
	iceless_start(&c->iceless);
	c->iceless_started = c->now;
	iceless_mode_announce(c);
	tunnel_handshake(c);
}

void
iceless_mode_remote(struct client *c, const char *line, bool added)
{
	struct iceless_candidate r;

	if (!iceless_line_parse(line, &r)) {
		debug(c, "not a candidate without ICE: %s", line);
		return;
	}
	debug(c, "remote %s %s", added ? "added" : "removed", line);
	if (!added) {
		iceless_remove_remote(&c->iceless, &r, c->now);
		return;
	}
	if (r.kind != ICELESS_HOST)
		turn_expect(c, &r.address);
	iceless_add_remote(&c->iceless, &r, c->now);
}

static void
expect_remotes(struct client *c)
{
	for (size_t i = 0; i < c->iceless.n_remotes; i++) {
		struct iceless_candidate *r = &c->iceless.remotes[i].candidate;

		if (r->kind != ICELESS_HOST)
			turn_expect(c, &r->address);
	}
}

void
iceless_mode_local(struct client *c, enum candidate_kind kind,
    const struct endpoint *address, const struct endpoint *base)
{
	static const enum iceless_kind kinds[] = {
		[CANDIDATE_HOST] = ICELESS_HOST,
		[CANDIDATE_SRFLX] = ICELESS_SRFLX,
		[CANDIDATE_PRFLX] = ICELESS_SRFLX,
		[CANDIDATE_RELAY] = ICELESS_RELAY,
	};
	struct iceless_candidate l = { kinds[kind], *address, *base };

	if (!iceless_add_local(&c->iceless, &l, c->now) || !c->iceless.running)
		return;
	tell_line(c, "candidate", &l);
	if (kind == CANDIDATE_RELAY)
		expect_remotes(c);
}

void
iceless_mode_local_lost(
    struct client *c, const struct endpoint *address, bool by_portal)
{
	struct iceless *a = &c->iceless;

	for (size_t i = 0; i < a->n_locals && a->running && !by_portal; i++)
		if (endpoint_equal(&a->locals[i].address, address))
			tell_line(c, "uncandidate", &a->locals[i]);
	iceless_remove_local(a, address, c->now);
	if (by_portal)
		iceless_rebuild(a, c->now);
}

void
iceless_mode_timer(struct client *c)
{
	if (!c->iceless.running)
		return;
	if (c->iceless.n_remotes == 0 &&
	    mono_ms_between(c->iceless_started, c->now) >= NO_CANDIDATE_MS)
		client_lost(c, "no-candidates");
	else
		iceless_timer(&c->iceless, c->now);
}
