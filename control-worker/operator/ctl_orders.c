/* Who may ask, and what is answered at once: see ctl_orders.h. */
#include "control-worker/operator/ctl_orders.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "control-worker/operator/drain.h"
#include "control-worker/operator/metrics.h"

#define GROUPS_MAX 64

/* Who may use the socket may also be checked by others: SO_PEERGROUPS. */
static bool
is_in_group(int fd, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

bool
ctl_may_ask(const struct ctl_config *config, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return false;
	return peer.uid == 0 || peer.uid == config->uid ||
	    peer.gid == config->gid || is_in_group(fd, config->gid);
}

void
ctl_end_saying(struct served *c, unsigned status, const char *why)
{
	char mark[] = { '\0', (char)('0' + status) };

	text_write(served_out(c), mark, status == 0 ? 1 : 2);
	if (why != NULL)
		text_add(served_out(c), "%s", why);
	served_finish(c);
}

static const char not_taken[] = "the parent does not take it";

/*
 * The parent goes no lower than what it was started with, and nor do we. What
 * is wrong, or NULL.
 */
static const char *
change_log_level(struct text *t, const struct ctl_config *config,
    const struct ctl_request *r)
{
	enum log_level now;

	if (!config->log_level(config->ctx, r->level))
		return not_taken;
	now = log_get_level();
	if (r->form == CTL_JSON)
		text_add(t, "{\"log_level\":\"%s\"}\n", log_level_name(now));
	else
		text_add(t, "the log has level %s%s\n", log_level_name(now),
		    now == r->level ? "" : ", with which posternd was started");
	return NULL;
}

/* Likewise. */
static const char *
change_drain(struct text *t, const struct ctl_config *config,
    const struct ctl_request *r)
{
	if (!config->drain(config->ctx, r->within))
		return not_taken;
	drain_write(t, config->situation, r->form, (uint64_t)time(NULL));
	return NULL;
}

bool
ctl_answer_at_once(struct served *c, const struct ctl_config *config,
    const struct ctl_request *r)
{
	struct text *t = served_out(c);
	const char *problem = NULL;

	switch (r->command) {
	case CTL_CONFIG:
		text_write(t, config->options, strlen(config->options));
		break;
	case CTL_DRAIN:
		problem = change_drain(t, config, r);
		break;
	case CTL_LOG:
		problem = change_log_level(t, config, r);
		break;
	case CTL_METRICS:
		metrics_write(t, config->situation);
		break;
	default:
		return false;
	}
	ctl_end_saying(c, problem == NULL ? 0 : 1, problem);
	return true;
}
