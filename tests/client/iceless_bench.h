/*
 * The path agent without ICE between a clock and a peer of the test: what it
 * sends is recorded, and probes are answered on the paths that are said to
 * work.
 */
#ifndef TESTS_CLIENT_ICELESS_BENCH_H
#define TESTS_CLIENT_ICELESS_BENCH_H

#include "tests/client/iceless.h"

#include "tests/lib/addresses.h"

#define SENT_MAX  4096
#define WORKS_MAX 8

enum what { HANDSHAKE, REQUEST, REPLY };

struct sent {
	enum what what;
	struct path path;
	struct mono at;
	uint8_t bytes[NOISE_INITIATION_LEN];
};

static struct iceless agent;
static struct mono now;
static struct sent sent[SENT_MAX];
static size_t n_sent;
static struct path chosen; /* last told */
static bool chosen_relayed;
static unsigned choices;

/* Where probes are answered, and after how long. */
static struct {
	struct path path;
	int64_t rtt_ms;
} works[WORKS_MAX];
static size_t n_works;

/* Answers on their way. */
static struct {
	bool there;
	struct mono at;
	struct path path;
	uint8_t packet[PROBE_LEN];
} answers[64];

static inline struct iceless_candidate
host(const char *address)
{
	return (
	    struct iceless_candidate){ ICELESS_HOST, at(address), at(address) };
}

static inline struct iceless_candidate
srflx(const char *address, const char *base)
{
	return (
	    struct iceless_candidate){ ICELESS_SRFLX, at(address), at(base) };
}

static inline struct iceless_candidate
relay(const char *address, const char *base)
{
	return (
	    struct iceless_candidate){ ICELESS_RELAY, at(address), at(base) };
}

#define OUR_HOST    "10.0.0.2:5000"
#define OUR_RELAY   "198.51.100.1:50000"
#define THEIR_HOST  "10.9.0.2:52625"
#define THEIR_RELAY "198.51.100.2:60000"

static inline struct path
between(const char *local, const char *remote)
{
	return (struct path){ at(local), at(remote) };
}

static inline void
record(enum what what, const struct path *path, const void *bytes, size_t len)
{
	struct sent *s = &sent[n_sent++];

	assert_true(n_sent < SENT_MAX && len <= sizeof(s->bytes));
	*s = (struct sent){ .what = what, .path = *path, .at = now };
	memcpy(s->bytes, bytes, len);
}

static inline bool
same(const struct path *a, const struct path *b)
{
	return endpoint_equal(&a->local, &b->local) &&
	    endpoint_equal(&a->remote, &b->remote);
}

static inline void
on_send(void *context __attribute__((unused)), const struct path *path,
    const void *bytes, size_t len)
{
	record(HANDSHAKE, path, bytes, len);
}

static inline void
on_probe(void *context __attribute__((unused)), const struct path *path,
    const uint8_t *packet, size_t len)
{
	struct probe p;
	size_t free = 0;

	assert_true(probe_read(packet, len, &p));
	record(p.reply ? REPLY : REQUEST, path, packet, len);
	for (size_t i = 0; i < n_works && !p.reply; i++) {
		if (!same(&works[i].path, path))
			continue;
		while (answers[free].there)
			assert_true(++free < 64);
		answers[free].there = true;
		answers[free].at = mono_add_ms(now, works[i].rtt_ms);
		answers[free].path = *path;
		p.reply = true;
		probe_write(&p, answers[free].packet);
	}
}

static inline void
on_primary(void *context __attribute__((unused)), const struct path *path,
    bool relayed)
{
	chosen = *path;
	chosen_relayed = relayed;
	choices++;
}

static inline void
deliver(void)
{
	for (size_t i = 0; i < 64; i++)
		if (answers[i].there && mono_due(answers[i].at, now)) {
			answers[i].there = false;
			assert_true(iceless_packet(&agent, &answers[i].path,
			    answers[i].packet, PROBE_LEN, now));
		}
}

static inline void
pass(int64_t ms)
{
	struct mono end = mono_add_ms(now, ms);

	for (;;) {
		struct mono next = iceless_deadline(&agent);

		for (size_t i = 0; i < 64; i++)
			if (answers[i].there)
				next = mono_min(next, answers[i].at);
		if (mono_before(end, next))
			break;
		now = mono_max(now, next);
		deliver();
		iceless_timer(&agent, now);
	}
	now = end;
}

static inline void
path_works(const char *local, const char *remote, int64_t rtt_ms)
{
	works[n_works].path = between(local, remote);
	works[n_works++].rtt_ms = rtt_ms;
}

static inline size_t
count_of(enum what what, const char *local, const char *remote)
{
	size_t n = 0;

	for (size_t i = 0; i < n_sent; i++) {
		struct path p = sent[i].path;

		if (sent[i].what == what &&
		    (local == NULL ||
			same(&p, &(struct path){ at(local), at(remote) })))
			n++;
	}
	return n;
}

static inline void
assert_chosen(const char *local, const char *remote)
{
	struct path want = between(local, remote);

	assert_true(agent.has_primary);
	assert_true(same(&agent.primary, &want));
	assert_true(same(&chosen, &want));
}

static inline void
local(struct iceless_candidate l)
{
	assert_true(iceless_add_local(&agent, &l, now));
}

static inline void
remote(struct iceless_candidate r)
{
	iceless_add_remote(&agent, &r, now);
}

static inline void
initiate(uint8_t fill)
{
	uint8_t message[NOISE_INITIATION_LEN];

	memset(message, fill, sizeof(message));
	iceless_send_initiation(&agent, message, now);
}

/* The response that makes, or renews, the session. */
static inline void
respond(uint8_t fill, const char *local_end, const char *remote_end)
{
	struct path path = between(local_end, remote_end);
	uint8_t message[NOISE_RESPONSE_LEN];

	memset(message, fill, sizeof(message));
	assert_true(iceless_response_is_new(&agent, message));
	iceless_response_accepted(&agent, &path, message, now);
	assert_false(iceless_response_is_new(&agent, message));
}

/* An initiation of the peer, which WireGuard accepts. */
static inline void
peer_initiates(uint8_t fill, const char *local_end, const char *remote_end)
{
	struct path path = between(local_end, remote_end);
	uint8_t message[NOISE_INITIATION_LEN], response[NOISE_RESPONSE_LEN];

	memset(message, fill, sizeof(message));
	memset(response, fill, sizeof(response));
	assert_true(iceless_initiation_is_new(&agent, &path, message, now));
	iceless_answer_initiation(&agent, &path, message, response, now);
}

static inline int
set_up(void **state __attribute__((unused)))
{
	static const struct iceless_output output = {
		.send = on_send,
		.probe = on_probe,
		.primary = on_primary,
	};

	memset(&agent, 0, sizeof(agent));
	memset(answers, 0, sizeof(answers));
	agent.output = &output;
	now = (struct mono){ 1000000000 };
	n_sent = n_works = choices = 0;
	iceless_start(&agent);
	return 0;
}

/* Host and relay on both ends: one direct pair and three relayed ones. */
static inline void
four_pairs(void)
{
	local(host(OUR_HOST));
	local(relay(OUR_RELAY, OUR_HOST));
	remote(host(THEIR_HOST));
	remote(relay(THEIR_RELAY, THEIR_HOST));
}

/* A session over our relay, the rest as works says. */
static inline void
session_over_relay(void)
{
	four_pairs();
	initiate(1);
	respond(1, OUR_RELAY, THEIR_HOST);
	assert_chosen(OUR_RELAY, THEIR_HOST);
}

#endif /* TESTS_CLIENT_ICELESS_BENCH_H */
