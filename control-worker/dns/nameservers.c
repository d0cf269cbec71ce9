/* The choice of a server: see nameservers.h. */
#include "control-worker/dns/nameservers.h"

#include <string.h>

static void
forget_servers(struct nameservers *n)
{
	n->again_ms = NAMESERVERS_AGAIN_MS;
	n->answered[0] = n->answered[1] = false;
	n->chosen[0] = n->chosen[1] = NAMESERVERS_UNKNOWN;
}

void
nameservers_init(struct nameservers *n)
{
	*n = (struct nameservers){ .next = MONO_NEVER };
	forget_servers(n);
}

void
nameservers_set(
    struct nameservers *n, const struct resolv_conf *conf, struct mono now)
{
	memcpy(n->servers, conf->servers, sizeof(n->servers));
	n->count = conf->server_count;
	n->next = now;
	forget_servers(n);
}

bool
nameservers_begin(struct nameservers *n, struct mono now)
{
	if (!mono_due(n->next, now))
		return false;
	n->next = mono_add_ms(now, NAMESERVERS_ROUND_MS);
	n->answered[0] = n->answered[1] = false;
	return true;
}

/* All are asked at once, so that the first to answer is the fastest. */
bool
nameservers_answered(struct nameservers *n, size_t server, bool tcp)
{
	bool changed;

	if (n->answered[tcp] || server >= n->count)
		return false;
	n->answered[tcp] = true;
	changed = n->chosen[tcp] != (int)server;
	n->chosen[tcp] = (int)server;
	return changed;
}

/*
 * What keeps every server from answering is often short: the host's filter is
 * loaded anew, or its network not up yet. Where nobody ever answers, one that
 * refuses TCP say, the rounds are soon as rare as any.
 */
static void
schedule_round(struct nameservers *n, struct mono now)
{
	if (n->answered[0] && n->answered[1]) {
		n->again_ms = NAMESERVERS_AGAIN_MS;
		return;
	}
	n->next = mono_add_ms(now, n->again_ms);
	n->again_ms *= 2;
	if (n->again_ms > NAMESERVERS_ROUND_MS)
		n->again_ms = NAMESERVERS_ROUND_MS;
}

bool
nameservers_end(struct nameservers *n, struct mono now)
{
	bool changed = false;

	for (size_t tcp = 0; tcp < 2; tcp++) {
		if (n->answered[tcp])
			continue;
		changed = changed || n->chosen[tcp] != NAMESERVERS_NOBODY;
		n->chosen[tcp] = NAMESERVERS_NOBODY;
	}
	schedule_round(n, now);
	return changed;
}

const struct endpoint *
nameservers_choose(const struct nameservers *n, bool tcp)
{
	return n->chosen[tcp] < 0 ? NULL : &n->servers[n->chosen[tcp]];
}

size_t
nameservers_order(
    const struct nameservers *n, bool tcp, struct endpoint to[RESOLV_SERVERS])
{
	size_t count = 0;

	if (n->chosen[tcp] >= 0)
		to[count++] = n->servers[n->chosen[tcp]];
	for (size_t i = 0; i < n->count; i++)
		if ((int)i != n->chosen[tcp])
			to[count++] = n->servers[i];
	return count;
}

bool
nameservers_overtaken(
    struct nameservers *n, bool tcp, const struct endpoint *by)
{
	for (size_t i = 0; i < n->count; i++) {
		if (!endpoint_equal(&n->servers[i], by))
			continue;
		if (n->chosen[tcp] == (int)i)
			return false;
		n->chosen[tcp] = (int)i;
		return true;
	}
	return false;
}
