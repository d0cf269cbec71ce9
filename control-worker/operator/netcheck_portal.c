/*
 * Judges the way to the portal, step by step, and the servers of DNS: see
 * netcheck.h.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control-worker/net/portal_attempt.h"
#include "control-worker/operator/netcheck.h"
#include "control-worker/operator/table.h"

#define NAMES_SHOWN      3
#define DAY_S            86400
#define CHECK_NAME       "name"
#define CHECK_CONNECTION "connection"
#define CHECK_TLS        "tls"
#define CHECK_LOGIN      "login"

#define WHEN_MAX 32

static const char not_reached[] = "it comes after what has failed above";

/* "2026-12-24 10:00 UTC" */
static const char *
format_unix_time(uint64_t at, char to[WHEN_MAX])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(to, WHEN_MAX, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		strlcpy(to, "a far time", WHEN_MAX);
	return to;
}

static void
judge_name(const struct netcheck_facts *facts, struct findings *f)
{
	const struct lookup_result *r = &facts->name;
	char text[NAMES_SHOWN * ENDPOINT_TEXT_MAX + 32] = "",
						    one[ENDPOINT_TEXT_MAX];
	struct finding *found;

	if (facts->host == NULL)
		return;
	for (size_t i = 0; i < r->count && i < NAMES_SHOWN; i++) {
		if (i > 0)
			strlcat(text, ", ", sizeof(text));
		strlcat(text, ip_format(&r->addresses[i], one), sizeof(text));
	}
	if (r->count > 0)
		found = findings_add(f, CHECK_NAME, IP_NONE, VERDICT_OK,
		    "%s is %s%s", facts->host, text,
		    r->count > NAMES_SHOWN ? " and more" : "");
	else if (r->complete && !dns_check_is_silent(&facts->dns))
		found = findings_add(f, CHECK_NAME, IP_NONE, VERDICT_NOT_OK,
		    "%s has no address: is the name right, and do the servers "
		    "of resolv.conf know it?",
		    facts->host);
	else
		found = findings_add(f, CHECK_NAME, IP_NONE, VERDICT_NOT_OK,
		    "no server of resolv.conf tells the address of %s: see "
		    "dns below",
		    facts->host);
	finding_add_text(found, "host", facts->host);
	finding_add_number(found, "addresses", (int64_t)r->count);
}

/*
 * Judges a step that is under way or has not been reached. False when it has
 * succeeded or failed, which the caller has to judge.
 */
static bool
judge_open_step(const struct netcheck_facts *facts, struct findings *f,
    const char *check, enum portal_step step)
{
	const struct portal_attempt *a = facts->situation->attempt;

	if (a->step > step || (a->step == step && a->failed))
		return false;
	if (a->step == step)
		findings_add(f, check, IP_NONE, VERDICT_UNKNOWN,
		    "it is being tried just now");
	else if (a->failed)
		findings_add(
		    f, check, IP_NONE, VERDICT_UNKNOWN, "%s", not_reached);
	else
		findings_add(f, check, IP_NONE, VERDICT_UNKNOWN,
		    "an attempt has only just begun");
	return true;
}

/* ", 12s ago" */
static const char *
format_ago(const struct netcheck_facts *facts, char to[FIGURE_MAX + 8])
{
	const uint64_t at = facts->situation->attempt->at;
	char age[FIGURE_MAX];

	snprintf(to, FIGURE_MAX + 8, ", %s ago",
	    format_duration(seconds_between(at, facts->now), age));
	return to;
}

static void
judge_connection(const struct netcheck_facts *facts, struct findings *f)
{
	const struct portal_attempt *a = facts->situation->attempt;
	char peer[ENDPOINT_TEXT_MAX], ago[FIGURE_MAX + 8];
	struct finding *found;

	if (judge_open_step(facts, f, CHECK_CONNECTION, PORTAL_STEP_CONNECT))
		return;
	if (a->step == PORTAL_STEP_CONNECT) {
		findings_add(f, CHECK_CONNECTION, IP_NONE, VERDICT_NOT_OK,
		    "%s%s: %s", a->reason, format_ago(facts, ago),
		    strstr(a->reason, "refused") != NULL
			? "is that the portal's host and port?"
			: "is that TCP port open on the way out?");
		return;
	}
	found = findings_add(f, CHECK_CONNECTION, IP_NONE, VERDICT_OK,
	    "TCP to %s", endpoint_format(&a->peer, peer));
	finding_add_text(found, "address", peer);
}

static void
add_certificate(struct finding *found, const struct tls_summary *t)
{
	if (t->version[0] != '\0')
		finding_add_text(found, "version", t->version);
	if (!t->has_certificate)
		return;
	finding_add_text(found, "issuer", t->issuer);
	finding_add_number(found, "not_before", (int64_t)t->not_before);
	finding_add_number(found, "not_after", (int64_t)t->not_after);
}

static bool
is_out_of_time(const struct tls_summary *t, uint64_t now)
{
	return t->has_certificate &&
	    (now < t->not_before || now > t->not_after);
}

static void
judge_failed_tls(const struct netcheck_facts *facts, struct findings *f)
{
	const struct portal_attempt *a = facts->situation->attempt;
	char ago[FIGURE_MAX + 8], from[WHEN_MAX], until[WHEN_MAX],
	    now[WHEN_MAX], valid[160] = "";

	if (is_out_of_time(&a->tls, facts->now))
		snprintf(valid, sizeof(valid),
		    "; it is valid from %s until %s, and this host's clock "
		    "says %s",
		    format_unix_time(a->tls.not_before, from),
		    format_unix_time(a->tls.not_after, until),
		    format_unix_time(facts->now, now));
	add_certificate(findings_add(f, CHECK_TLS, IP_NONE, VERDICT_NOT_OK,
			    "%s%s%s", a->reason, valid, format_ago(facts, ago)),
	    &a->tls);
}

/* A certificate is seen once, when the connection is made. */
static void
judge_tls(const struct netcheck_facts *facts, struct findings *f)
{
	const struct portal_attempt *a = facts->situation->attempt;
	const struct tls_summary *t = &a->tls;
	char until[WHEN_MAX];

	if (strncmp(facts->situation->url, "ws:", 3) == 0)
		findings_add(f, CHECK_TLS, IP_NONE, VERDICT_NOT_OK,
		    "%s is without: who is on the way reads the token and all "
		    "that the portal says; use wss://",
		    facts->situation->url);
	else if (judge_open_step(facts, f, CHECK_TLS, PORTAL_STEP_TLS))
		return;
	else if (a->step == PORTAL_STEP_TLS)
		judge_failed_tls(facts, f);
	else if (facts->now + DAY_S > t->not_after)
		add_certificate(
		    findings_add(f, CHECK_TLS, IP_NONE, VERDICT_UNKNOWN,
			"the certificate that this connection began with was "
			"to end at %s: has the portal got another one?",
			format_unix_time(t->not_after, until)),
		    t);
	else
		add_certificate(
		    findings_add(f, CHECK_TLS, IP_NONE, VERDICT_OK,
			"%s, by a certificate of \"%s\" until %s", t->version,
			t->issuer, format_unix_time(t->not_after, until)),
		    t);
}

static void
judge_login(const struct netcheck_facts *facts, struct findings *f)
{
	const struct situation *s = facts->situation;
	const struct portal_attempt *a = s->attempt;
	const uint64_t lasts = seconds_between(s->since, facts->now);
	char text[FIGURE_MAX + 8];
	struct finding *found;

	if (s->online) {
		found = findings_add(f, CHECK_LOGIN, IP_NONE, VERDICT_OK,
		    "online for %s, generation %u",
		    format_duration(lasts, text), s->generation);
		finding_add_number(found, "generation", s->generation);
	} else if (s->draining && a->step == PORTAL_STEP_CHANNEL &&
	    !a->failed) {
		findings_add(f, CHECK_LOGIN, IP_NONE, VERDICT_OK,
		    "left, since posternd drains");
	} else if (a->step == PORTAL_STEP_CHANNEL && !a->failed) {
		findings_add(f, CHECK_LOGIN, IP_NONE, VERDICT_UNKNOWN,
		    "the portal has taken the token, and is being joined");
	} else if (!judge_open_step(facts, f, CHECK_LOGIN, PORTAL_STEP_LOGIN)) {
		findings_add(f, CHECK_LOGIN, IP_NONE, VERDICT_NOT_OK, "%s%s",
		    a->reason, format_ago(facts, text));
	}
}

static void
judge_clock(const struct netcheck_facts *facts, struct findings *f)
{
	const struct portal_clock *c = &facts->situation->clock;
	const struct portal_attempt *a = facts->situation->attempt;
	struct finding *found;

	if (c->known && portal_clock_is_off(c))
		found = findings_add(f, "clock", IP_NONE, VERDICT_NOT_OK,
		    "%.1f s %s the portal's, so that grants end too %s: set "
		    "it, or see to its time server",
		    (double)llabs(c->ahead_ms) / 1e3,
		    c->ahead_ms > 0 ? "ahead of" : "behind",
		    c->ahead_ms > 0 ? "early" : "late");
	else if (c->known)
		found = findings_add(
		    f, "clock", IP_NONE, VERDICT_OK, "as the portal's");
	else if (a->failed && a->step == PORTAL_STEP_TLS &&
	    is_out_of_time(&a->tls, facts->now))
		found = findings_add(f, "clock", IP_NONE, VERDICT_NOT_OK,
		    "it is not within the time of the portal's certificate: "
		    "see whether it is right");
	else
		found = findings_add(f, "clock", IP_NONE, VERDICT_UNKNOWN,
		    "the portal tells the time when it is connected to");
	if (c->known)
		finding_add_number(found, "ahead_ms", c->ahead_ms);
}

static void
judge_dns_server(const struct dns_checked *d, struct findings *f)
{
	const double ms = (double)d->took_us / 1e3;
	char server[ENDPOINT_TEXT_MAX];
	struct finding *found;

	(void)ip_format(&d->server.ip, server);
	if (d->outcome == DNS_CHECK_ANSWERED)
		found = findings_add(f, "dns", IP_NONE, VERDICT_OK,
		    "%s answers in %.1f ms", server, ms);
	else if (d->outcome == DNS_CHECK_FAILED)
		found = findings_add(f, "dns", IP_NONE, VERDICT_NOT_OK,
		    "%s answers in %.1f ms, but fails or refuses to look a "
		    "name up: see to it, or take it out of resolv.conf",
		    server, ms);
	else
		found = findings_add(f, "dns", IP_NONE, VERDICT_NOT_OK,
		    "%s does not answer: see to it and to UDP port 53 on the "
		    "way, or take it out of resolv.conf",
		    server);
	finding_add_text(found, "server", server);
	if (d->outcome != DNS_CHECK_SILENT)
		finding_add_number(found, "took_us", (int64_t)d->took_us);
}

void
netcheck_judge_portal(const struct netcheck_facts *facts, struct findings *f)
{
	judge_name(facts, f);
	judge_connection(facts, f);
	judge_tls(facts, f);
	judge_login(facts, f);
	judge_clock(facts, f);
	for (size_t i = 0; i < facts->dns.count; i++)
		judge_dns_server(&facts->dns.of[i], f);
}
