/* Whom to ask first: see servers.h. */
#include "control-worker/dns/servers.h"

#include <string.h>

void
servers_set(struct servers *s, const struct resolv_conf *conf)
{
	*s = (struct servers){
		.count = conf->server_count,
		.rotate = conf->rotate,
	};
	memcpy(s->at, conf->servers, sizeof(s->at));
}

size_t
servers_order(struct servers *s, struct endpoint to[RESOLV_SERVERS])
{
	size_t first = s->rotate && s->count > 0 ? s->turn++ % s->count : 0;
	size_t n = 0;

	for (unsigned silent = 0; silent < 2; silent++)
		for (size_t i = 0; i < s->count; i++) {
			size_t at = (first + i) % s->count;

			if ((s->silent[at].times > 0) == silent)
				to[n++] = s->at[at];
		}
	return n;
}

unsigned
servers_pause_ms(size_t count)
{
	unsigned others = count > 1 ? (unsigned)count - 1 : 1;
	unsigned pause = SERVERS_ALL_MS / others;

	return pause < SERVERS_PAUSE_MS ? pause : SERVERS_PAUSE_MS;
}

/* Its place, or that behind the last. */
static size_t
place_of_server(const struct servers *s, const struct endpoint *server)
{
	size_t i = 0;

	while (i < s->count && !endpoint_equal(&s->at[i], server))
		i++;
	return i;
}

void
servers_heard(struct servers *s, const struct endpoint *server)
{
	size_t i = place_of_server(s, server);

	if (i < s->count)
		s->silent[i].times = 0;
}

/* Several questions may find the same silence, which is one. */
void
servers_silent(
    struct servers *s, const struct endpoint *server, uint64_t now_ms)
{
	uint64_t wait = SERVERS_RECHECK_MS;
	size_t i = place_of_server(s, server);

	if (i == s->count ||
	    (s->silent[i].times > 0 && now_ms < s->silent[i].recheck))
		return;
	for (unsigned n = 0; n < s->silent[i].times; n++)
		if ((wait *= 2) >= SERVERS_RECHECK_MAX_MS)
			break;
	if (wait > SERVERS_RECHECK_MAX_MS)
		wait = SERVERS_RECHECK_MAX_MS;
	s->silent[i].times++;
	s->silent[i].recheck = now_ms + wait;
}

/* Asked, it is taken to be silent on. */
bool
servers_recheck(struct servers *s, uint64_t now_ms, struct endpoint *to)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->silent[i].times == 0 || now_ms < s->silent[i].recheck)
			continue;
		*to = s->at[i];
		servers_silent(s, to, now_ms);
		return true;
	}
	return false;
}
