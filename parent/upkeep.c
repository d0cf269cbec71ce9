/* Keeps the network as it was set up: see upkeep.h. */
#include "parent/upkeep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "parent/sysctl.h"
#include "parent/tun.h"

void
upkeep_init(struct upkeep *u, struct network *network, struct mono now)
{
	*u = (struct upkeep){
		.network = network,
		.quarrel = QUARREL_NONE,
		.again = MONO_NEVER,
		.mendings = { UPKEEP_LINES_MAX, now },
		.failures = { UPKEEP_LINES_MAX, now },
	};
}

static bool
may_write_line(struct upkeep_lines *l, struct mono now)
{
	for (; l->left < UPKEEP_LINES_MAX && mono_due(l->next, now); l->left++)
		l->next = mono_add_ms(l->next, UPKEEP_LINE_MS);
	if (l->left == 0)
		return false;
	if (l->left-- == UPKEEP_LINES_MAX)
		l->next = mono_add_ms(now, UPKEEP_LINE_MS);
	return true;
}

static void
describe_parts(unsigned made, char *to, size_t size)
{
	static const struct {
		enum network_part part;
		const char *name;
	} parts[] = {
		{ NETWORK_DEVICE, "its name, state or MTU" },
		{ NETWORK_ADDRESSES, "addresses" },
		{ NETWORK_ROUTES, "routes" },
		{ NETWORK_RULES, "routing rules" },
	};

	to[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if ((made & parts[i].part) == 0)
			continue;
		if (to[0] != '\0')
			strlcat(to, ", ", size);
		strlcat(to, parts[i].name, size);
	}
}

static void
say_mended(struct upkeep *u, unsigned made, const char *raised, struct mono now)
{
	char parts[128];

	if (quarrel_goes_on(&u->quarrel) ||
	    !may_write_line(&u->mendings, now))
		return;
	describe_parts(made, parts, sizeof(parts));
	if (made != 0)
		log_warnx("somebody has changed " TUN_NAME
			  " (%s); it is put back",
		    parts);
	if (raised[0] != '\0')
		log_warnx("somebody has lowered %s; raised again", raised);
}

/* What cannot be mended is said when it is news. */
static void
say_failure(struct upkeep *u, const char *failure, struct mono now)
{
	if (strcmp(u->failure, failure) == 0)
		return;
	strlcpy(u->failure, failure, sizeof(u->failure));
	if (failure[0] != '\0' &&
	    may_write_line(&u->failures, now))
		log_warnx("%s", failure);
}

static void
judge_round(
    struct upkeep *u, unsigned made, const char *raised, struct mono now)
{
	if (made == 0 && raised[0] == '\0') {
		if (quarrel_is_over(&u->quarrel, now))
			log_info(TUN_NAME " is left alone again");
		return;
	}
	(void)quarrel_undone(&u->quarrel, now);
	quarrel_mended(&u->quarrel, UPKEEP_WEIGHT, now);
	say_mended(u, made, raised, now);
}

int
upkeep_look(struct upkeep *u, struct mono now, struct upkeep_troubles *t)
{
	struct sysctl_report sysctls;
	unsigned made;
	int r;

	if (quarrel_pauses(&u->quarrel, now))
		return 0;
	*t = (struct upkeep_troubles){ 0 };
	r = network_restore(u->network, &made);
	if (r == -1 && errno == ENODEV)
		return -1;
	if (r == -1)
		snprintf(t->routing, sizeof(t->routing),
		    "addresses, routes or rules of " TUN_NAME
		    " cannot be put back: %s",
		    strerrordesc_np(errno));
	sysctls_keep(network_has_v6(u->network), &sysctls);
	if (sysctls.missing[0] != '\0')
		snprintf(t->settings, sizeof(t->settings),
		    "packets are not forwarded; set by hand: sysctl -w %s",
		    sysctls.missing);
	u->again = t->routing[0] == '\0' && t->settings[0] == '\0'
	    ? MONO_NEVER
	    : mono_add_ms(now, UPKEEP_AGAIN_MS);
	judge_round(u, made, sysctls.raised, now);
	if (t->routing[0] == '\0' && network_rule_ahead(u->network, t->routing,
		sizeof(t->routing)) == -1)
		u->again = mono_add_ms(now, UPKEEP_AGAIN_MS);
	if (t->routing[0] == '\0' && quarrel_goes_on(&u->quarrel))
		strlcpy(t->routing,
		    "another program changes addresses, routes, rules or "
		    "forwarding again and again; see postern-network(7)",
		    sizeof(t->routing));
	say_failure(u, t->routing, now);
	return 0;
}

struct mono
upkeep_deadline(const struct upkeep *u)
{
	const struct mono settled = quarrel_deadline(&u->quarrel);

	/* During a pause a failure has to wait as well. */
	if (quarrel_goes_on(&u->quarrel) && u->quarrel.undone)
		return settled;
	return mono_min(u->again, settled);
}
