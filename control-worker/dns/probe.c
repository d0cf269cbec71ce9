/* Rounds of probes: see probe.h. */
#include "control-worker/dns/probe.h"

#include <stdlib.h>

#include <sodium.h>

#include "common/log.h"
#include "control-worker/dns/forward.h"
#include "control-worker/dns/message.h"
#include "control-worker/dns/nameservers.h"

/* One question of a round. */
struct probe {
	struct prober *prober;
	struct forward *forward; /* NULL: none under way */
	size_t server;
	bool tcp;
	uint8_t query[DNS_QUERY_MAX];
	size_t query_len;
};

struct prober {
	uv_loop_t *loop;
	uv_timer_t timer; /* of the next round */
	struct nameservers nameservers;
	struct probe probes[RESOLV_SERVERS * 2];
	unsigned waiting; /* probes under way */
	bool changed;     /* the choice, in this round */
	struct log_limit log_limit;
};

static void on_probe_timer(uv_timer_t *);

static void
set_probe_timer(struct prober *p)
{
	int64_t ms = mono_ms_between(mono_now(), p->nameservers.next) + 1;

	uv_timer_start(&p->timer, on_probe_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void
tell_choice(const struct prober *p)
{
	const struct endpoint *udp = nameservers_choose(&p->nameservers, false);
	const struct endpoint *tcp = nameservers_choose(&p->nameservers, true);
	char a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];

	if (udp == NULL && tcp == NULL)
		log_warnx("no server of resolv.conf answers: SRV and TXT "
			  "queries of clients are put to each in turn, and "
			  "fail where none can be reached");
	else
		log_info("queries of clients go to %s over UDP, %s over TCP",
		    udp == NULL ? "each in turn" : ip_format(&udp->ip, a),
		    tcp == NULL ? "each in turn" : ip_format(&tcp->ip, b));
}

static void
end_probe_round(struct prober *p)
{
	if (nameservers_end(&p->nameservers, mono_now()) || p->changed)
		tell_choice(p);
	p->changed = false;
	set_probe_timer(p);
}

static bool
on_probe_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	struct probe *probe = ctx;
	struct prober *p = probe->prober;
	struct dns_answer answer;

	if (bytes != NULL) {
		if (dns_answer_parse(probe->query, probe->query_len, bytes, len,
			IP_V4, &answer) == DNS_MISMATCH)
			return false;
		if (nameservers_answered(
			&p->nameservers, probe->server, probe->tcp))
			p->changed = true;
	}
	probe->forward = NULL;
	if (--p->waiting == 0)
		end_probe_round(p);
	return true;
}

static void
start_probe(struct prober *p, struct probe *probe, size_t server, bool tcp)
{
	uint16_t id = (uint16_t)randombytes_uniform(UINT16_MAX + 1);
	struct dns_name name;

	(void)dns_name_parse(NAMESERVERS_PROBE, &name);
	probe->prober = p;
	probe->server = server;
	probe->tcp = tcp;
	probe->query_len = dns_query_build(&name, IP_V4, id, probe->query);
	probe->forward = forward_start(p->loop, &p->nameservers.servers[server],
	    tcp, probe->query, probe->query_len, NAMESERVERS_PROBE_MS,
	    on_probe_heard, probe);
	p->waiting += probe->forward != NULL;
}

static void
cancel_probe_round(struct prober *p)
{
	for (size_t i = 0; i < RESOLV_SERVERS * 2; i++) {
		if (p->probes[i].forward != NULL)
			forward_cancel(p->probes[i].forward);
		p->probes[i].forward = NULL;
	}
	p->waiting = 0;
}

static void
on_probe_timer(uv_timer_t *timer)
{
	struct prober *p = timer->data;

	if (!nameservers_begin(&p->nameservers, mono_now())) {
		set_probe_timer(p);
		return;
	}
	for (size_t i = 0; i < p->nameservers.count; i++) {
		start_probe(p, &p->probes[2 * i], i, false);
		start_probe(p, &p->probes[2 * i + 1], i, true);
	}
	if (p->waiting == 0)
		end_probe_round(p);
}

struct prober *
prober_new(uv_loop_t *loop)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->loop = loop;
	nameservers_init(&p->nameservers);
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	return p;
}

static void
on_prober_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void
prober_free(struct prober *p)
{
	if (p == NULL)
		return;
	cancel_probe_round(p);
	uv_close((uv_handle_t *)&p->timer, on_prober_closed);
}

void
prober_set_servers(struct prober *p, const struct resolv_conf *conf)
{
	cancel_probe_round(p);
	nameservers_set(&p->nameservers, conf, mono_now());
	set_probe_timer(p);
}

size_t
prober_order(
    const struct prober *p, bool tcp, struct endpoint to[RESOLV_SERVERS])
{
	return nameservers_order(&p->nameservers, tcp, to);
}

void
prober_overtaken(struct prober *p, bool tcp, const struct endpoint *by)
{
	uint32_t held;

	/* What clients ask for can make it change with every query. */
	if (nameservers_overtaken(&p->nameservers, tcp, by) &&
	    log_allow(&p->log_limit, mono_now().ns, &held))
		tell_choice(p);
}
