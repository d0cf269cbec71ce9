/*
 * The two bounded cursors through which all bytes from outside are read and
 * all bytes to outside are written.
 *
 * Both are sticky: the first access beyond the end marks the cursor as failed,
 * and from then on every read yields zero and every write is ignored. A parser
 * therefore reads a whole structure and asks once, with cursor_failed() or
 * cursor_done(), whether what it has is real.
 */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	size_t left; /* bytes */
	bool failed;
};

/* Reads from the len bytes at data, which must outlive the cursor. */
void cursor_init(struct cursor *, const void *data, size_t len);

uint8_t cursor_u8(struct cursor *);
uint16_t cursor_be16(struct cursor *);
uint32_t cursor_be32(struct cursor *);
uint64_t cursor_be64(struct cursor *);
uint32_t cursor_le32(struct cursor *);
uint64_t cursor_le64(struct cursor *);

/* The next len bytes in place, or NULL (and failed). */
const uint8_t *cursor_bytes(struct cursor *, size_t len);
/* The next len bytes copied out; zeroes on failure. */
void cursor_copy(struct cursor *, void *to, size_t len);
/* A cursor over the next len bytes; both are failed when there are fewer. */
struct cursor cursor_sub(struct cursor *, size_t len);

bool cursor_failed(const struct cursor *);
/* Nothing failed and nothing is left: the structure had exactly this size. */
bool cursor_done(const struct cursor *);

struct writer {
	uint8_t *base;
	size_t len;  /* bytes written */
	size_t size; /* bytes there are */
	bool failed;
};

void writer_init(struct writer *, void *data, size_t size);
void writer_u8(struct writer *, uint8_t);
void writer_be16(struct writer *, uint16_t);
void writer_be32(struct writer *, uint32_t);
void writer_be64(struct writer *, uint64_t);
void writer_le32(struct writer *, uint32_t);
void writer_bytes(struct writer *, const void *, size_t len);
void writer_zero(struct writer *, size_t len);
/* Room for len bytes to be filled in by the caller, or NULL (and failed). */
uint8_t *writer_reserve(struct writer *, size_t len);
bool writer_failed(const struct writer *);

/* Loads and stores at a place whose size the caller has already checked. */
uint16_t load_be16(const uint8_t *);
uint32_t load_be32(const uint8_t *);
uint64_t load_be64(const uint8_t *);
uint32_t load_le32(const uint8_t *);
uint64_t load_le64(const uint8_t *);
void store_be16(uint8_t *, uint16_t);
void store_be32(uint8_t *, uint32_t);
void store_be64(uint8_t *, uint64_t);
void store_le32(uint8_t *, uint32_t);
void store_le64(uint8_t *, uint64_t);

#endif /* COMMON_BUFFER_H */
