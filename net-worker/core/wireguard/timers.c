/*
 * WireGuard's timers: a few deadlines that events move and a time-out takes
 * away.
 */
#include <sodium.h>

#include "net-worker/core/wireguard/constants.h"
#include "net-worker/core/wireguard/timers.h"

const struct timer_pace pace_classic = {
	.keepalive = KEEPALIVE_TIMEOUT,
	.silence = SILENCE_TIMEOUT,
	.rekey_on_receive = REKEY_ON_RECEIVE_TIME,
	.retry = REKEY_TIMEOUT,
	.attempt = REKEY_ATTEMPT_TIME,
};

const struct timer_pace pace_iceless = {
	.keepalive = ICELESS_KEEPALIVE_TIMEOUT,
	.silence = ICELESS_KEEPALIVE_TIMEOUT + ICELESS_REKEY_TIMEOUT,
	.rekey_on_receive = REJECT_AFTER_TIME - ICELESS_KEEPALIVE_TIMEOUT -
	    ICELESS_REKEY_TIMEOUT,
	.retry = ICELESS_REKEY_TIMEOUT,
	.attempt = ICELESS_REKEY_ATTEMPT_TIME,
};

void
tunnel_timers_init(struct tunnel_timers *t, const struct timer_pace *pace)
{
	t->pace = pace;
	t->keepalive_at = t->silence_at = MONO_NEVER;
	t->rekey_at = t->rekey_sent_at = t->rekey_received_at = MONO_NEVER;
	t->persistent_at = MONO_NEVER;
	t->persistent_s = 0;
}

void
tunnel_keep_alive(struct tunnel_timers *t, unsigned seconds)
{
	t->persistent_s = seconds;
}

static void
put_persistent_off(struct tunnel_timers *t, struct mono sent)
{
	if (t->persistent_s != 0)
		t->persistent_at = mono_add_s(sent, t->persistent_s);
}

void
tunnel_session_started(
    struct tunnel_timers *t, struct mono established, bool initiator)
{
	t->silence_at = MONO_NEVER;
	t->rekey_at = t->rekey_sent_at = t->rekey_received_at = MONO_NEVER;
	if (mono_is_never(t->persistent_at))
		put_persistent_off(t, established);
	if (!initiator)
		return;
	t->rekey_at = mono_add_s(established, REJECT_AFTER_TIME);
	t->rekey_sent_at = mono_add_s(established, REKEY_AFTER_TIME);
	t->rekey_received_at =
	    mono_add_s(established, t->pace->rekey_on_receive);
}

void
tunnel_session_ended(struct tunnel_timers *t)
{
	t->persistent_at = MONO_NEVER;
}

void
tunnel_data_sent(struct tunnel_timers *t, struct mono now)
{
	tunnel_any_sent(t);
	put_persistent_off(t, now);
	if (mono_is_never(t->silence_at))
		t->silence_at = mono_add_s(now, t->pace->silence);
	t->rekey_at = mono_min(t->rekey_at, t->rekey_sent_at);
}

void
tunnel_any_sent(struct tunnel_timers *t)
{
	t->keepalive_at = MONO_NEVER;
}

void
tunnel_data_received(struct tunnel_timers *t, struct mono now)
{
	tunnel_any_received(t);
	if (mono_is_never(t->keepalive_at))
		t->keepalive_at = mono_add_s(now, t->pace->keepalive);
	t->rekey_at = mono_min(t->rekey_at, t->rekey_received_at);
}

void
tunnel_any_received(struct tunnel_timers *t)
{
	t->silence_at = MONO_NEVER;
}

struct mono
tunnel_deadline(const struct tunnel_timers *t)
{
	return mono_min(mono_min(t->keepalive_at, t->persistent_at),
	    mono_min(t->silence_at, t->rekey_at));
}

unsigned
tunnel_timeout(struct tunnel_timers *t, struct mono now)
{
	unsigned due = 0;

	if (mono_due(t->keepalive_at, now) || mono_due(t->persistent_at, now)) {
		t->keepalive_at = MONO_NEVER;
		put_persistent_off(t, now);
		due |= TUNNEL_KEEPALIVE;
	}
	if (mono_due(t->silence_at, now)) {
		t->silence_at = MONO_NEVER;
		due |= TUNNEL_HANDSHAKE;
	}
	if (mono_due(t->rekey_at, now)) {
		t->rekey_at = t->rekey_sent_at = t->rekey_received_at =
		    MONO_NEVER;
		due |= TUNNEL_HANDSHAKE;
	}
	return due;
}

static struct mono
jittered_deadline(struct mono t)
{
	return mono_add_ms(t, randombytes_uniform(REKEY_JITTER_MAX_MS + 1));
}

void
handshake_timers_init(
    struct handshake_timers *t, const struct timer_pace *pace, struct mono now)
{
	t->pace = pace;
	handshake_done(t, now);
}

void
handshake_want(struct handshake_timers *t, struct mono now)
{
	if (mono_is_never(t->send_at))
		t->send_at = jittered_deadline(now);
}

void
handshake_done(struct handshake_timers *t, struct mono now)
{
	t->dead_at = mono_add_s(now, DEAD_TIME);
	t->send_at = t->give_up_at = MONO_NEVER;
}

struct mono
handshake_deadline(const struct handshake_timers *t)
{
	return mono_min(t->dead_at, mono_min(t->send_at, t->give_up_at));
}

unsigned
handshake_timeout(struct handshake_timers *t, struct mono now)
{
	if (mono_due(t->dead_at, now) || mono_due(t->give_up_at, now)) {
		t->dead_at = t->send_at = t->give_up_at = MONO_NEVER;
		return HANDSHAKE_EXPIRED;
	}
	if (!mono_due(t->send_at, now))
		return 0;
	if (mono_is_never(t->give_up_at))
		t->give_up_at = mono_add_s(now, t->pace->attempt);
	t->send_at = jittered_deadline(mono_add_s(now, t->pace->retry));
	return HANDSHAKE_SEND;
}
