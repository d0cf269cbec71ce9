/* Whom an operator means: see search.h. */
#include "control-worker/operator/search.h"

#include <string.h>
#include <strings.h>

static void
note_match(struct matches *m, const struct ipc_query_client *c)
{
	if (m->count == 0)
		m->first = *c;
	if (m->count < SEARCH_SHOWN_MAX)
		m->id[m->count] = c->client;
	m->count++;
}

static bool
name_is(const char *name, const char *wanted)
{
	return strcasecmp(name, wanted) == 0;
}

static bool
name_begins(const char *name, const char *wanted)
{
	return strncasecmp(name, wanted, strlen(wanted)) == 0;
}

void
search_look(struct search *s, const struct directory *names,
    const struct ipc_query_client *c)
{
	char id[UUID_TEXT_LEN + 1], v4[ENDPOINT_TEXT_MAX],
	    v6[ENDPOINT_TEXT_MAX];
	struct client_entry e;
	bool begins, named;

	directory_client(names, &c->client, &e);
	uuid_format(&c->client, id);
	if (name_is(id, s->wanted) ||
	    name_is(ip_format(&c->v4, v4), s->wanted) ||
	    name_is(ip_format(&c->v6, v6), s->wanted))
		note_match(&s->exact, c);
	if (name_is(e.email, s->wanted))
		note_match(&s->email, c);
	named = name_is(e.actor, s->wanted);
	begins = name_begins(id, s->wanted) || name_begins(e.email, s->wanted);
	if (named || begins)
		note_match(&s->called, c);
	if (begins || name_begins(e.actor, s->wanted))
		note_match(&s->begin, c);
	s->is_name |= named;
}

const struct matches *
search_result(const struct search *s)
{
	if (s->exact.count > 0)
		return &s->exact;
	if (s->email.count > 0)
		return &s->email;
	return s->is_name ? &s->called : &s->begin;
}
