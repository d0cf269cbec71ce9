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

/* The parent goes no lower than what it was started with, and nor do we. */
static void
change_log_level(struct served *c, const struct ctl_config *config,
    const struct ctl_request *r)
{
	enum log_level now;

	if (!config->log_level(config->ctx, r->level)) {
		ctl_end_saying(c, 1, "the parent does not take it");
		return;
	}
	now = log_get_level();
	if (r->form == CTL_JSON)
		text_add(served_out(c), "{\"log_level\":\"%s\"}\n",
		    log_level_name(now));
	else
		text_add(served_out(c), "the log has level %s%s\n",
		    log_level_name(now),
		    now == r->level ? "" : ", with which posternd was started");
	ctl_end_saying(c, 0, NULL);
}

static void
send_options_text(struct served *c, const char *text)
{
	text_write(served_out(c), text, strlen(text));
	ctl_end_saying(c, 0, NULL);
}

static void
send_metrics(struct served *c, const struct situation *situation)
{
	metrics_write(served_out(c), situation);
	ctl_end_saying(c, 0, NULL);
}

static void
change_drain(struct served *c, const struct ctl_config *config,
    const struct ctl_request *r)
{
	if (!config->drain(config->ctx, r->within)) {
		ctl_end_saying(c, 1, "the parent does not take it");
		return;
	}
	drain_write(
	    served_out(c), config->situation, r->form, (uint64_t)time(NULL));
	ctl_end_saying(c, 0, NULL);
}

bool
ctl_answer_at_once(struct served *c, const struct ctl_config *config,
    const struct ctl_request *r)
{
	switch (r->command) {
	case CTL_CONFIG:
		send_options_text(c, config->options);
		return true;
	case CTL_DRAIN:
		change_drain(c, config, r);
		return true;
	case CTL_LOG:
		change_log_level(c, config, r);
		return true;
	case CTL_METRICS:
		send_metrics(c, config->situation);
		return true;
	default:
		return false;
	}
}
