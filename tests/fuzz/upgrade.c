/*
 * The portal's HTTP answer: read at once or byte by byte, it says the same.
 */
#include "control-worker/portal/upgrade.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define NOW 1790000000

static struct upgrade_request request;

void
fuzz_init(void)
{
	static const uint8_t nonce[] = "the sample nonce"; /* RFC 6455 1.3 */

	_Static_assert(sizeof(nonce) > UPGRADE_NONCE_LEN, "sixteen bytes");
	upgrade_set_nonce(&request, nonce);
}

static void
read_answer(
    struct upgrade_response *r, const uint8_t *data, size_t len, size_t step)
{
	size_t at = 0;

	upgrade_start(r, request.key);
	while (at < len && r->state == UPGRADE_INCOMPLETE) {
		size_t n = len - at < step ? len - at : step;
		size_t taken = upgrade_feed(r, data + at, n, NOW);

		must(taken <= n);
		must(r->len <= sizeof(r->bytes));
		must(taken == n || r->state != UPGRADE_INCOMPLETE);
		at += taken;
	}
	if (r->state == UPGRADE_INCOMPLETE)
		upgrade_end(r);
	must(r->state != UPGRADE_INCOMPLETE);
	must(r->retry_after_ms >= -1);
	must(r->state != UPGRADE_BROKEN || r->what != NULL);
}

static void
check_parts(const char *text, size_t len)
{
	struct problem p;

	must(retry_after_parse(text, NOW) >= -1);
	problem_parse(&p, "application/problem+json", text, len);
	must(strnlen(p.code, sizeof(p.code)) < sizeof(p.code));
	must(strnlen(p.detail, sizeof(p.detail)) < sizeof(p.detail));
	problem_parse(&p, text, text, len);
	problem_parse(&p, "text/plain", text, len);
	must(strnlen(p.detail, sizeof(p.detail)) < sizeof(p.detail));
	for (const char *c = p.detail; *c != '\0'; c++)
		must(*c >= ' ' && *c <= '~');
}

void
fuzz_one(struct cursor *in)
{
	static struct upgrade_response once, slowly;
	size_t len = in->left;
	char *text = pick_text(in);

	read_answer(&once, (const uint8_t *)text, len, SIZE_MAX);
	read_answer(&slowly, (const uint8_t *)text, len, 1);
	must(once.state == slowly.state);
	if (once.state != UPGRADE_BROKEN) {
		must(once.status == slowly.status);
		must(once.retry_after_ms == slowly.retry_after_ms);
		must(memcmp(&once.problem, &slowly.problem,
			 sizeof(once.problem)) == 0);
	}
	check_parts(text, len);
	free(text);
}
