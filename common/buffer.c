/* The bounded cursors: see buffer.h. */
#include "common/buffer.h"

#include <endian.h>
#include <string.h>

uint16_t
load_be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

uint32_t
load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

uint64_t
load_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

uint32_t
load_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

uint64_t
load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

void
store_be16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

void
store_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

void
store_be64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

void
store_le32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

void
store_le64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

void
cursor_init(struct cursor *c, const void *data, size_t len)
{
	c->at = data;
	c->left = len;
	c->failed = false;
}

const uint8_t *
cursor_bytes(struct cursor *c, size_t len)
{
	const uint8_t *at = c->at;

	if (c->failed || len > c->left) {
		c->failed = true;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

uint8_t
cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, 1);

	return p == NULL ? 0 : *p;
}

uint16_t
cursor_be16(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, sizeof(uint16_t));

	return p == NULL ? 0 : load_be16(p);
}

uint32_t
cursor_be32(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, sizeof(uint32_t));

	return p == NULL ? 0 : load_be32(p);
}

uint64_t
cursor_be64(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, sizeof(uint64_t));

	return p == NULL ? 0 : load_be64(p);
}

uint32_t
cursor_le32(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, sizeof(uint32_t));

	return p == NULL ? 0 : load_le32(p);
}

uint64_t
cursor_le64(struct cursor *c)
{
	const uint8_t *p = cursor_bytes(c, sizeof(uint64_t));

	return p == NULL ? 0 : load_le64(p);
}

void
cursor_copy(struct cursor *c, void *to, size_t len)
{
	const uint8_t *p = cursor_bytes(c, len);

	if (p == NULL)
		memset(to, 0, len);
	else
		memcpy(to, p, len);
}

struct cursor
cursor_sub(struct cursor *c, size_t len)
{
	struct cursor sub = { NULL, 0, true };
	const uint8_t *p = cursor_bytes(c, len);

	if (p != NULL)
		cursor_init(&sub, p, len);
	return sub;
}

bool
cursor_failed(const struct cursor *c)
{
	return c->failed;
}

bool
cursor_done(const struct cursor *c)
{
	return !c->failed && c->left == 0;
}

void
writer_init(struct writer *w, void *data, size_t size)
{
	w->base = data;
	w->len = 0;
	w->size = size;
	w->failed = false;
}

uint8_t *
writer_reserve(struct writer *w, size_t len)
{
	uint8_t *at;

	if (w->failed || len > w->size - w->len) {
		w->failed = true;
		return NULL;
	}
	at = w->base + w->len;
	w->len += len;
	return at;
}

void
writer_u8(struct writer *w, uint8_t v)
{
	writer_bytes(w, &v, sizeof(v));
}

void
writer_be16(struct writer *w, uint16_t v)
{
	uint8_t *p = writer_reserve(w, sizeof(v));

	if (p != NULL)
		store_be16(p, v);
}

void
writer_be32(struct writer *w, uint32_t v)
{
	uint8_t *p = writer_reserve(w, sizeof(v));

	if (p != NULL)
		store_be32(p, v);
}

void
writer_be64(struct writer *w, uint64_t v)
{
	uint8_t *p = writer_reserve(w, sizeof(v));

	if (p != NULL)
		store_be64(p, v);
}

void
writer_le32(struct writer *w, uint32_t v)
{
	uint8_t *p = writer_reserve(w, sizeof(v));

	if (p != NULL)
		store_le32(p, v);
}

void
writer_bytes(struct writer *w, const void *data, size_t len)
{
	uint8_t *p = writer_reserve(w, len);

	if (p != NULL && len > 0)
		memcpy(p, data, len);
}

void
writer_zero(struct writer *w, size_t len)
{
	uint8_t *p = writer_reserve(w, len);

	if (p != NULL)
		memset(p, 0, len);
}

bool
writer_failed(const struct writer *w)
{
	return w->failed;
}
