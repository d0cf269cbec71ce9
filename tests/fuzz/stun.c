/* The STUN codec: what it accepts lies in the message; what it writes, it
 * reads. */
#include "net-worker/core/stun/stun.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt" /* of RFC 5769 */

static void
check_text(const struct stun_message *m, const struct stun_text *t, size_t len)
{
	if (t->length == 0)
		return;
	must(t->bytes >= m->raw);
	must(t->length <= len - (size_t)(t->bytes - m->raw));
}

static void
check_parser(const uint8_t *data, size_t len)
{
	struct stun_message m;

	if (!stun_parse(data, len, &m))
		return;
	must(m.raw == data);
	must(len % 4 == 0 && len <= STUN_MESSAGE_MAX);
	check_text(&m, &m.username, len);
	check_text(&m, &m.realm, len);
	check_text(&m, &m.nonce, len);
	must(m.username.length <= STUN_USERNAME_MAX);
	if (m.have & STUN_HAVE_ERROR)
		must(m.error >= 300 && m.error <= 699);
	if (m.have & STUN_HAVE_INTEGRITY)
		must(m.integrity_at + 24 <= len);
	else
		must(!stun_verify(&m, PASSWORD, strlen(PASSWORD)));
	(void)stun_verify(&m, PASSWORD, strlen(PASSWORD));
}

static void
add_attribute(struct writer *w, struct cursor *in)
{
	static const uint16_t addresses[] = { STUN_XOR_MAPPED_ADDRESS,
		STUN_XOR_PEER_ADDRESS, STUN_XOR_RELAYED_ADDRESS };
	struct endpoint e;
	uint8_t *bytes;
	size_t len;

	switch (pick(in, 5)) {
	case 0:
		e = pick_endpoint(in, NULL, 0);
		stun_add_address(w, addresses[pick(in, 3)], &e);
		break;
	case 1:
		stun_add_u32(w, STUN_PRIORITY, cursor_be32(in));
		break;
	case 2:
		stun_add_u64(w, STUN_ICE_CONTROLLING, cursor_be64(in));
		break;
	case 3:
		/* An unknown one, which has to be skipped. */
		bytes = pick_block(in, 64, &len);
		stun_add_bytes(w, 0xc000, bytes, len);
		free(bytes);
		break;
	default:
		stun_add_error(w, (uint16_t)(300 + pick(in, 200)), "reason");
	}
}

static void
check_writer(struct cursor *in)
{
	uint8_t bytes[STUN_MESSAGE_MAX], transaction[STUN_TRANSACTION_LEN];
	uint16_t type = cursor_be16(in) & 0x3fff;
	struct stun_message m;
	struct writer w;

	cursor_copy(in, transaction, sizeof(transaction));
	writer_init(&w, bytes, sizeof(bytes));
	stun_begin(&w, type, transaction);
	while (more(in))
		add_attribute(&w, in);
	stun_add_integrity(&w, PASSWORD, strlen(PASSWORD));
	stun_add_fingerprint(&w);
	if (writer_failed(&w))
		return;
	must(stun_parse(bytes, w.len, &m));
	must(m.type == type);
	must(memcmp(m.transaction, transaction, sizeof(transaction)) == 0);
	must(stun_verify(&m, PASSWORD, strlen(PASSWORD)));
	must(!stun_verify(&m, PASSWORD "x", strlen(PASSWORD) + 1));
}

void
fuzz_one(struct cursor *in)
{
	check_parser(in->at, in->left);
	check_writer(in);
}
