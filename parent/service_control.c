/* What a control-worker is given when it starts: see service.h. */
#include "parent/service.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

/* A message has no other control characters than these. */
static void
replace_controls(char *text, char but)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < ' ' && *text != but) ||
		    *text == 0x7f)
			*text = '?';
}

static int
send_identity(
    const struct service *s, const struct options *o, const struct identity *i)
{
	struct ipc_channel *ch = s->control.channel;
	struct ipc_control_identity m = {
		.max_partition_ms = o->max_partition_ms,
		.portal_generation = o->portal_generation,
		.no_names = o->no_names,
		/* The portal has once said who we are in the tunnel. */
		.resumed = s->v4.family != IP_NONE || s->v6.family != IP_NONE,
	};

	strlcpy(m.api_url, o->api_url, sizeof(m.api_url));
	strlcpy(m.external_id, i->external_id, sizeof(m.external_id));
	strlcpy(m.name, i->name, sizeof(m.name));
	strlcpy(m.os, i->os, sizeof(m.os));
	strlcpy(m.arch, i->arch, sizeof(m.arch));
	strlcpy(m.kernel, i->kernel, sizeof(m.kernel));
	/* The kernel lets a host be called anything. */
	replace_controls(m.name, '\0');
	replace_controls(m.kernel, '\0');
	return ipc_send_control_identity(ch, &m);
}

/* As --print-config has them, and so without the token. */
static int
send_options(struct ipc_channel *ch, const struct options *o)
{
	struct ipc_control_options m = { 0 };
	FILE *to = fmemopen(m.text, sizeof(m.text) - 1, "w");

	if (to == NULL)
		return -1;
	options_print_config(o, to);
	(void)fclose(to); /* what does not fit is left out */
	replace_controls(m.text, '\n');
	return ipc_send_control_options(ch, &m);
}

static int
send_token(struct ipc_channel *ch, const struct options *o)
{
	struct ipc_control_token m = { 0 };
	int r;

	strlcpy(m.token, o->token, sizeof(m.token));
	strlcpy(m.source, o->token_from, sizeof(m.source));
	replace_controls(m.source, '\0');
	r = ipc_send_control_token(ch, &m);
	explicit_bzero(&m, sizeof(m));
	return r;
}

static int
send_window(struct ipc_channel *ch, const struct operator_sockets *w,
    const struct options *o)
{
	const struct ipc_control_counters counters = { w->counters_to_read };
	const struct ipc_control_health health = {
		.fd = w->health,
		.series = o->metrics_series,
		.names = o->metrics_names,
	};
	const struct ipc_control_ctl ctl = { w->ctl, w->ctl_uid, w->ctl_gid };
	const struct ipc_control_names names = { w->names };

	if (ipc_send_control_counters(ch, &counters) == -1 ||
	    (w->names != -1 && ipc_send_control_names(ch, &names) == -1) ||
	    (w->health != -1 && ipc_send_control_health(ch, &health) == -1))
		return -1;
	return w->ctl == -1 ? 0 : ipc_send_control_ctl(ch, &ctl);
}

static int
send_flow_logs(struct ipc_channel *ch, const struct control_hand_over *h)
{
	struct ipc_control_flow_logs m = {
		.log = h->options->flow_logs,
	};

	strlcpy(m.spool, h->spool, sizeof(m.spool));
	return ipc_send_control_flow_logs(ch, &m);
}

static int
send_probes(struct ipc_channel *ch, const struct options *o)
{
	const struct ipc_control_probes probes = {
		.interval = (uint16_t)(o->probe_interval_ms / 1000),
		.needed = o->probe_needed,
		.withdraw = o->withdraw,
	};

	if (ipc_send_control_probes(ch, &probes) == -1)
		return -1;
	for (size_t i = 0; i < o->probe_count; i++) {
		const struct ipc_control_probe probe = { o->probe[i] };

		if (ipc_send_control_probe(ch, &probe) == -1)
			return -1;
	}
	return 0;
}

static int
send_flow_sink(struct ipc_channel *ch, const struct control_hand_over *h)
{
	const struct ipc_control_flow_sink m = {
		.fd = h->flow_sink,
		.kind = (uint8_t)h->options->flow_log.kind,
	};

	return h->flow_sink == -1 ? 0 : ipc_send_control_flow_sink(ch, &m);
}

int
service_hand_over_control(struct service *s, const struct control_hand_over *h)
{
	struct ipc_channel *ch = s->control.channel;
	const struct ipc_control_ca_bundle ca = { .fd = h->ca_bundle };
	const struct ipc_control_resolv_conf resolv = { h->resolv_conf->fd };
	const struct ipc_control_hosts hosts = { h->hosts->fd };
	const struct ipc_control_peer peer = { h->peer, s->epoch };
	const struct ipc_control_start start = {};
	const struct ipc_control_log_level level = { (uint8_t)log_get_level() };

	if (ipc_send_control_log_level(ch, &level) == -1 ||
	    send_identity(s, h->options, h->identity) == -1 ||
	    send_options(ch, h->options) == -1 ||
	    send_token(ch, h->options) == -1 ||
	    ipc_send_control_ca_bundle(ch, &ca) == -1 ||
	    ipc_send_control_resolv_conf(ch, &resolv) == -1 ||
	    ipc_send_control_hosts(ch, &hosts) == -1 ||
	    ipc_send_control_peer(ch, &peer) == -1 ||
	    send_flow_logs(ch, h) == -1 || send_probes(ch, h->options) == -1 ||
	    send_flow_sink(ch, h) == -1 ||
	    drain_hand_over(&s->drain, mono_now(), ch) == -1 ||
	    send_window(ch, h->window, h->options) == -1)
		return -1;
	h->resolv_conf->changed = h->hosts->changed = false;
	return ipc_send_control_start(ch, &start);
}
