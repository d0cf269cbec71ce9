/* The frame around a fuzz target: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t random_state;

static const char *
random_name(void)
{
	return "repeatable";
}

static uint32_t
random_next(void)
{
	random_state = random_state * 6364136223846793005u + 1;
	return (uint32_t)(random_state >> 32);
}

static void
random_buf(void *const to, const size_t len)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_next();
}

/* The same input always does the same. */
static randombytes_implementation repeatable = {
	.implementation_name = random_name,
	.random = random_next,
	.buf = random_buf,
};

__attribute__((__weak__)) void
fuzz_init(void)
{
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	randombytes_set_implementation(&repeatable);
	if (sodium_init() == -1)
		abort();
	/* Every line is formatted; being no socket, the sink takes none. */
	log_init_worker(STDIN_FILENO, LOG_LEVEL_TRACE);
	fuzz_init();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cursor in;

	random_state = 1;
	cursor_init(&in, data, len);
	fuzz_one(&in);
	return 0;
}

void
fuzz_broken(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

bool
more(const struct cursor *in)
{
	return in->left > 0 && !cursor_failed(in);
}

size_t
pick(struct cursor *in, size_t n)
{
	return cursor_u8(in) % n;
}

bool
pick_bool(struct cursor *in)
{
	return cursor_u8(in) & 1;
}

uint8_t *
pick_block(struct cursor *in, size_t max, size_t *len)
{
	uint8_t *block;

	*len = cursor_be16(in);
	if (*len > max)
		*len = max;
	if (*len > in->left)
		*len = in->left;
	block = malloc(*len);
	must(block != NULL || *len == 0);
	cursor_copy(in, block, *len);
	return block;
}

char *
pick_text(struct cursor *in)
{
	size_t len = in->left;
	char *text = malloc(len + 1);

	must(text != NULL);
	cursor_copy(in, text, len);
	text[len] = '\0';
	return text;
}

struct endpoint
pick_endpoint(struct cursor *in, const struct endpoint *few, size_t count)
{
	size_t i = pick(in, count + 2);
	struct endpoint e = { 0 };

	if (i < count)
		return few[i];
	e.ip.family = i == count ? IP_V4 : IP_V6;
	cursor_copy(in, e.ip.bytes, ip_size(&e.ip));
	e.port = cursor_be16(in);
	return e;
}

struct endpoint
endpoint_of(const char *text)
{
	struct endpoint e;

	must(endpoint_parse(text, &e));
	return e;
}
