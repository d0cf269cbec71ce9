/*
 * Transport keys at work: one counter up for sending, a window of counters for
 * receiving.
 */
#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/datagram.h"
#include "net-worker/core/wireguard/session.h"

_Static_assert(MESSAGE_DATA_MIN == WIREGUARD_OVERHEAD,
    "what is around nothing is around all");

#define WORD(counter) ((counter) % REPLAY_WINDOW / 64)
#define BIT(counter)  (UINT64_C(1) << ((counter) % 64))

bool
replay_acceptable(const struct replay_window *window, uint64_t counter)
{
	if (counter >= REJECT_AFTER_MESSAGES)
		return false;
	if (counter >= window->next)
		return true;
	if (window->next - counter > REPLAY_WINDOW)
		return false;
	return (window->bitmap[WORD(counter)] & BIT(counter)) == 0;
}

/* Forgets the counters whose places those from "from" to "to" - 1 take. */
static void
slide_window(struct replay_window *window, uint64_t from, uint64_t to)
{
	if (to - from >= REPLAY_WINDOW) {
		memset(window->bitmap, 0, sizeof(window->bitmap));
		return;
	}
	while (from < to) {
		uint64_t next_word = (from | 63) + 1;
		uint64_t bits = ~(BIT(from) - 1);

		if (next_word > to)
			bits &= BIT(to) - 1;
		window->bitmap[WORD(from)] &= ~bits;
		from = next_word;
	}
}

void
replay_mark(struct replay_window *window, uint64_t counter)
{
	if (counter >= window->next) {
		slide_window(window, window->next, counter);
		window->next = counter + 1;
	}
	window->bitmap[WORD(counter)] |= BIT(counter);
}

void
session_init(
    struct session *session, const struct noise_keys *keys, struct mono now)
{
	memset(session, 0, sizeof(*session));
	session->local_index = keys->local_index;
	session->remote_index = keys->remote_index;
	memcpy(session->send_key, keys->send, AEAD_KEY_LEN);
	memcpy(session->receive_key, keys->receive, AEAD_KEY_LEN);
	session->established = now;
	session->initiator = keys->initiator;
}

void
session_wipe(struct session *session)
{
	sodium_memzero(session, sizeof(*session));
}

struct mono
session_end(const struct session *session)
{
	return mono_add_s(session->established, REJECT_AFTER_TIME);
}

bool
session_expired(const struct session *session, struct mono now)
{
	return mono_due(
	    mono_add_s(session->established, REJECT_AFTER_TIME), now);
}

bool
session_may_send(const struct session *session, struct mono now)
{
	int64_t limit =
	    session->initiator ? INITIATOR_SEND_TIME : REJECT_AFTER_TIME;

	return session->send_counter < REJECT_AFTER_MESSAGES &&
	    mono_before(now, mono_add_s(session->established, limit));
}

void
session_seal(struct session *session, struct aead *aead, const uint8_t *plain,
    size_t len, uint8_t *to)
{
	uint64_t counter = session->send_counter++;

	store_le32(to, MESSAGE_DATA);
	store_le32(to + 4, session->remote_index);
	store_le64(to + 8, counter);
	aead_seal(aead, session->send_key, counter, plain, len,
	    to + MESSAGE_DATA_HEADER_LEN);
}

int
session_open(struct session *session, struct aead *aead, uint8_t *message,
    size_t len, uint8_t **plain)
{
	uint8_t *body = message + MESSAGE_DATA_HEADER_LEN;
	uint64_t counter;

	if (len < MESSAGE_DATA_MIN || len > INT_MAX ||
	    load_le32(message + 4) != session->local_index)
		return -1;
	counter = load_le64(message + 8);
	len -= MESSAGE_DATA_MIN;
	if (!replay_acceptable(&session->replay, counter) ||
	    !aead_open(aead, session->receive_key, counter, body, len, body))
		return -1;
	replay_mark(&session->replay, counter);
	*plain = body;
	return (int)len;
}

int
session_inner_length(const uint8_t *plain, size_t len)
{
	size_t header, total;

	if (len == 0)
		return 0;
	switch (plain[0] >> 4) {
	case 4:
		header = 20;
		break;
	case 6:
		header = 40;
		break;
	default:
		return -1;
	}
	if (len < header)
		return -1;
	total =
	    header == 20 ? load_be16(plain + 2) : header + load_be16(plain + 4);
	return total < header || total > len ? -1 : (int)total;
}
