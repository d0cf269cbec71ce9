/* Shares of clients: see shares.h. */
#include "control-worker/dns/shares.h"

#include "common/log.h"

/* Its place, or that behind the last. */
static unsigned
place_of_client(const struct shares *s, const struct ip_address *client)
{
	unsigned i = 0;

	while (i < s->clients && !ip_equal(&s->of[i].ip, client))
		i++;
	return i;
}

/* One more than the other is no reason: they would go round in circles. */
enum shares_verdict
shares_ask(const struct shares *s, const struct ip_address *client,
    struct ip_address *other)
{
	unsigned at = place_of_client(s, client), most = 0;
	unsigned has = at < s->clients ? s->of[at].count : 0;

	if (has >= s->of_client)
		return SHARES_TOO_MANY;
	if (s->total < s->max)
		return SHARES_ROOM;
	for (unsigned i = 1; i < s->clients; i++)
		if (s->of[i].count > s->of[most].count)
			most = i;
	if (s->clients == 0 || s->of[most].count <= has + 1)
		return SHARES_EVEN;
	*other = s->of[most].ip;
	return SHARES_FULL;
}

void
shares_take(struct shares *s, const struct ip_address *client)
{
	unsigned at = place_of_client(s, client);

	if (s->total >= s->max)
		fatalx("a share is taken that was not asked for");
	if (at == s->clients)
		s->of[s->clients++] = (struct share){ .ip = *client };
	s->of[at].count++;
	s->total++;
}

void
shares_give(struct shares *s, const struct ip_address *client)
{
	unsigned at = place_of_client(s, client);

	if (at == s->clients)
		fatalx("a share is given back that nobody has");
	s->total--;
	if (--s->of[at].count == 0)
		s->of[at] = s->of[--s->clients];
}
