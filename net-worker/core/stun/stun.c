/* The STUN codec: see stun.h. */
#include "net-worker/core/stun/stun.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <limits.h>
#include <string.h>

#define HMAC_LEN          20 /* SHA-1 */
#define ATTRIBUTE_HEADER  4
#define LENGTH_AT         2 /* offset of the length field */
#define TRANSACTION_AT    8
#define FINGERPRINT_XOR   0x5354554eu
#define ERROR_CLASS_FIRST 3
#define ERROR_CLASS_LAST  6

/* Address families on the wire, RFC 8489 14.1. */
#define FAMILY_V4 1
#define FAMILY_V6 2

/* The attributes we read: the bit each sets and the lengths it may have. */
static const struct rule {
	uint16_t attribute;
	uint16_t min, max;
	uint32_t have;
} rules[] = {
	{ STUN_USERNAME, 0, STUN_USERNAME_MAX, STUN_HAVE_USERNAME },
	{ STUN_MESSAGE_INTEGRITY, HMAC_LEN, HMAC_LEN, STUN_HAVE_INTEGRITY },
	{ STUN_ERROR_CODE, 4, UINT16_MAX, STUN_HAVE_ERROR },
	{ STUN_CHANNEL_NUMBER, 4, 4, STUN_HAVE_CHANNEL },
	{ STUN_LIFETIME, 4, 4, STUN_HAVE_LIFETIME },
	{ STUN_XOR_PEER_ADDRESS, 8, 20, STUN_HAVE_PEER },
	{ STUN_REALM, 0, UINT16_MAX, STUN_HAVE_REALM },
	{ STUN_NONCE, 0, UINT16_MAX, STUN_HAVE_NONCE },
	{ STUN_XOR_RELAYED_ADDRESS, 8, 20, STUN_HAVE_RELAYED },
	{ STUN_XOR_MAPPED_ADDRESS, 8, 20, STUN_HAVE_MAPPED },
	{ STUN_PRIORITY, 4, 4, STUN_HAVE_PRIORITY },
	{ STUN_USE_CANDIDATE, 0, 0, STUN_HAVE_USE_CANDIDATE },
	{ STUN_FINGERPRINT, 4, 4, 0 },
	{ STUN_ICE_CONTROLLED, 8, 8, STUN_HAVE_CONTROLLED },
	{ STUN_ICE_CONTROLLING, 8, 8, STUN_HAVE_CONTROLLING },
};

static const struct rule *
find_rule(uint16_t attribute)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].attribute == attribute)
			return &rules[i];
	return NULL;
}

static size_t
padding_of_value(size_t len)
{
	return -len & 3;
}

/* The mask of an XOR-...-ADDRESS: magic cookie, then transaction id. */
static void
xor_address(struct endpoint *e, const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	uint8_t mask[4 + STUN_TRANSACTION_LEN];

	store_be32(mask, STUN_COOKIE);
	memcpy(mask + 4, transaction, STUN_TRANSACTION_LEN);
	e->port ^= load_be16(mask);
	for (size_t i = 0; i < ip_size(&e->ip); i++)
		e->ip.bytes[i] ^= mask[i];
}

static bool
parse_address(
    struct cursor value, const struct stun_message *m, struct endpoint *e)
{
	enum ip_family family;
	const uint8_t *bytes;

	cursor_u8(&value); /* reserved */
	switch (cursor_u8(&value)) {
	case FAMILY_V4:
		family = IP_V4;
		break;
	case FAMILY_V6:
		family = IP_V6;
		break;
	default:
		return false;
	}
	e->port = cursor_be16(&value);
	bytes = cursor_bytes(&value, family == IP_V4 ? 4 : 16);
	if (!cursor_done(&value))
		return false;
	e->ip = ip_from_bytes(family, bytes);
	xor_address(e, m->transaction);
	return true;
}

static bool
parse_relayed(struct cursor value, struct stun_message *m)
{
	struct endpoint e, *slot;

	if (!parse_address(value, m, &e))
		return false;
	slot = &m->relayed[e.ip.family == IP_V4 ? 0 : 1];
	if (slot->ip.family == IP_NONE)
		*slot = e;
	return true;
}

static bool
parse_error(struct cursor value, struct stun_message *m)
{
	unsigned class, number;

	cursor_be16(&value); /* reserved */
	class = cursor_u8(&value) & 7;
	number = cursor_u8(&value);
	if (class < ERROR_CLASS_FIRST || class > ERROR_CLASS_LAST ||
	    number > 99)
		return false;
	m->error = (uint16_t)(class * 100 + number);
	return true;
}

static struct stun_text
text_of_value(const struct cursor *value)
{
	return (struct stun_text){ value->at, value->left };
}

/* Decodes a value whose length is one that its rule permits. */
static bool
parse_value(struct stun_message *m, uint16_t attribute, struct cursor value)
{
	switch (attribute) {
	case STUN_USERNAME:
		m->username = text_of_value(&value);
		return true;
	case STUN_REALM:
		m->realm = text_of_value(&value);
		return true;
	case STUN_NONCE:
		m->nonce = text_of_value(&value);
		return true;
	case STUN_MESSAGE_INTEGRITY:
		m->integrity_at =
		    (size_t)(value.at - m->raw) - ATTRIBUTE_HEADER;
		return true;
	case STUN_ERROR_CODE:
		return parse_error(value, m);
	case STUN_CHANNEL_NUMBER:
		m->channel = cursor_be16(&value);
		return true;
	case STUN_LIFETIME:
		m->lifetime = cursor_be32(&value);
		return true;
	case STUN_PRIORITY:
		m->priority = cursor_be32(&value);
		return true;
	case STUN_ICE_CONTROLLED:
	case STUN_ICE_CONTROLLING:
		m->tie_breaker = cursor_be64(&value);
		return true;
	case STUN_XOR_PEER_ADDRESS:
		return parse_address(value, m, &m->peer);
	case STUN_XOR_MAPPED_ADDRESS:
		return parse_address(value, m, &m->mapped);
	case STUN_XOR_RELAYED_ADDRESS:
		return parse_relayed(value, m);
	default:
		return true; /* a flag, or FINGERPRINT */
	}
}

static bool
parse_attribute(struct stun_message *m, uint16_t attribute, struct cursor value)
{
	const struct rule *rule = find_rule(attribute);

	if (rule == NULL)
		return true;
	if ((m->have & STUN_HAVE_INTEGRITY) != 0 &&
	    attribute != STUN_FINGERPRINT)
		return true;
	if (value.left < rule->min || value.left > rule->max)
		return false;
	/* An Allocate answer names one relayed address of each family. */
	if ((m->have & rule->have) != 0 &&
	    attribute != STUN_XOR_RELAYED_ADDRESS)
		return true;
	m->have |= rule->have;
	return parse_value(m, attribute, value);
}

static bool
parse_header(struct stun_message *m, struct cursor *c, size_t len)
{
	size_t length;

	m->type = cursor_be16(c);
	length = cursor_be16(c);
	if (cursor_be32(c) != STUN_COOKIE)
		return false;
	cursor_copy(c, m->transaction, sizeof(m->transaction));
	return !cursor_failed(c) && (m->type & 0xc000) == 0 &&
	    length % 4 == 0 && length + STUN_HEADER_LEN == len;
}

bool
stun_parse(const uint8_t *data, size_t len, struct stun_message *m)
{
	struct cursor c, value;
	uint16_t attribute;

	memset(m, 0, sizeof(*m));
	m->raw = data;
	if (len > STUN_MESSAGE_MAX)
		return false;
	cursor_init(&c, data, len);
	if (!parse_header(m, &c, len))
		return false;
	while (c.left > 0) {
		attribute = cursor_be16(&c);
		value = cursor_sub(&c, cursor_be16(&c));
		cursor_bytes(&c, padding_of_value(value.left));
		if (cursor_failed(&c) || !parse_attribute(m, attribute, value))
			return false;
	}
	return true;
}

/*
 * HMAC-SHA1 over the first len bytes of a message, with the length field as if
 * MESSAGE-INTEGRITY came next and last (RFC 8489 14.5). False when the library
 * fails: then nothing is right.
 */
static bool
integrity_of(const uint8_t *message, size_t len, const void *key,
    size_t key_len, uint8_t out[EVP_MAX_MD_SIZE])
{
	uint8_t text[STUN_MESSAGE_MAX];
	unsigned n = 0;

	if (len > sizeof(text) || key_len > INT_MAX)
		return false;
	memcpy(text, message, len);
	store_be16(text + LENGTH_AT,
	    (uint16_t)(len - STUN_HEADER_LEN + ATTRIBUTE_HEADER + HMAC_LEN));
	return HMAC(EVP_sha1(), key, (int)key_len, text, len, out, &n) !=
	    NULL &&
	    n == HMAC_LEN;
}

bool
stun_verify(const struct stun_message *m, const void *key, size_t key_len)
{
	uint8_t want[EVP_MAX_MD_SIZE];

	if ((m->have & STUN_HAVE_INTEGRITY) == 0 ||
	    !integrity_of(m->raw, m->integrity_at, key, key_len, want))
		return false;
	return CRYPTO_memcmp(m->raw + m->integrity_at + ATTRIBUTE_HEADER, want,
		   HMAC_LEN) == 0;
}

bool
stun_long_term_key(const char *username, const char *realm,
    const char *password, uint8_t key[STUN_KEY_LEN])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool done;

	done = md != NULL && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(md, username, strlen(username)) == 1 &&
	    EVP_DigestUpdate(md, ":", 1) == 1 &&
	    EVP_DigestUpdate(md, realm, strlen(realm)) == 1 &&
	    EVP_DigestUpdate(md, ":", 1) == 1 &&
	    EVP_DigestUpdate(md, password, strlen(password)) == 1 &&
	    EVP_DigestFinal_ex(md, key, NULL) == 1;
	EVP_MD_CTX_free(md);
	return done;
}

bool
stun_warm_up(void)
{
	uint8_t message[STUN_HEADER_LEN] = { 0 };
	uint8_t key[STUN_KEY_LEN], hmac[EVP_MAX_MD_SIZE];

	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 &&
	    stun_long_term_key("", "", "", key) &&
	    integrity_of(message, sizeof(message), key, sizeof(key), hmac);
}

static void
update_length(struct writer *w)
{
	if (!writer_failed(w))
		store_be16(
		    w->base + LENGTH_AT, (uint16_t)(w->len - STUN_HEADER_LEN));
}

void
stun_begin(struct writer *w, uint16_t type,
    const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	writer_be16(w, type);
	writer_be16(w, 0);
	writer_be32(w, STUN_COOKIE);
	writer_bytes(w, transaction, STUN_TRANSACTION_LEN);
}

void
stun_add_bytes(
    struct writer *w, uint16_t attribute, const void *value, size_t len)
{
	if (len > STUN_MESSAGE_MAX)
		w->failed = true;
	writer_be16(w, attribute);
	writer_be16(w, (uint16_t)len);
	writer_bytes(w, value, len);
	writer_zero(w, padding_of_value(len));
	if (w->len > STUN_MESSAGE_MAX)
		w->failed = true;
	update_length(w);
}

void
stun_add_text(struct writer *w, uint16_t attribute, const char *text)
{
	stun_add_bytes(w, attribute, text, strlen(text));
}

void
stun_add_u32(struct writer *w, uint16_t attribute, uint32_t v)
{
	uint8_t bytes[4];

	store_be32(bytes, v);
	stun_add_bytes(w, attribute, bytes, sizeof(bytes));
}

void
stun_add_u64(struct writer *w, uint16_t attribute, uint64_t v)
{
	uint8_t bytes[8];

	store_be64(bytes, v);
	stun_add_bytes(w, attribute, bytes, sizeof(bytes));
}

void
stun_add_address(
    struct writer *w, uint16_t attribute, const struct endpoint *address)
{
	struct endpoint e = *address;
	uint8_t bytes[20];

	if (writer_failed(w))
		return;
	if (ip_size(&e.ip) == 0) {
		w->failed = true;
		return;
	}
	xor_address(&e, w->base + TRANSACTION_AT);
	bytes[0] = 0;
	bytes[1] = e.ip.family == IP_V4 ? FAMILY_V4 : FAMILY_V6;
	store_be16(bytes + 2, e.port);
	memcpy(bytes + 4, e.ip.bytes, ip_size(&e.ip));
	stun_add_bytes(w, attribute, bytes, 4 + ip_size(&e.ip));
}

void
stun_add_error(struct writer *w, uint16_t code, const char *reason)
{
	uint8_t bytes[4 + STUN_REASON_MAX] = { 0 };
	size_t len = strnlen(reason, STUN_REASON_MAX);

	bytes[2] = (uint8_t)(code / 100);
	bytes[3] = (uint8_t)(code % 100);
	memcpy(bytes + 4, reason, len);
	stun_add_bytes(w, STUN_ERROR_CODE, bytes, 4 + len);
}

void
stun_add_integrity(struct writer *w, const void *key, size_t key_len)
{
	uint8_t hmac[EVP_MAX_MD_SIZE];

	if (writer_failed(w))
		return;
	if (!integrity_of(w->base, w->len, key, key_len, hmac)) {
		w->failed = true;
		return;
	}
	stun_add_bytes(w, STUN_MESSAGE_INTEGRITY, hmac, HMAC_LEN);
}

/* CRC-32 of ISO 3309, reflected. */
static uint32_t
crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}

void
stun_add_fingerprint(struct writer *w)
{
	size_t covered = w->len;

	/* The length field is part of what is summed. */
	stun_add_u32(w, STUN_FINGERPRINT, 0);
	if (!writer_failed(w))
		store_be32(w->base + covered + ATTRIBUTE_HEADER,
		    crc32(w->base, covered) ^ FINGERPRINT_XOR);
}
