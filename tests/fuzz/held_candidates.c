/* Candidates held for the portal: what is taken out was put in. */
#include "control-worker/portal/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "control-worker/portal/messages.h"
#include "tests/fuzz/fuzz.h"

static bool
nobody_waits(const void *ctx, const struct uuid *client)
{
	(void)ctx;
	(void)client;
	return false;
}

/* False when there is nothing left. */
static bool
take(struct candidates *c)
{
	struct uuid client;
	bool withdrawn;
	char *lines =
		 candidates_take(c, &client, &withdrawn, nobody_waits, NULL),
	     *payload;
	size_t len;

	if (lines == NULL)
		return false;
	len = strlen(lines);
	must(len > 0 && lines[len - 1] == '\n');
	payload = outgoing_candidates(&client, lines);
	must(payload != NULL);
	free(payload);
	free(lines);
	return true;
}

static void
hold(struct candidates *c, struct cursor *in, const struct uuid *client)
{
	bool withdrawn = pick_bool(in);
	size_t len;
	uint8_t *block = pick_block(in, 4096, &len);
	char *lines = calloc(1, len + 2);

	must(lines != NULL);
	if (len > 0)
		memcpy(lines, block, len);
	/* As IPC lets them through: text, each line ended. */
	for (size_t i = 0; i < len; i++)
		if ((lines[i] > 0 && lines[i] < 0x20 && lines[i] != '\n') ||
		    lines[i] == 0x7f)
			lines[i] = '.';
	if (len > 0 && lines[strlen(lines)] == '\0')
		strcat(lines, "\n");
	(void)candidates_hold(c, client, withdrawn, lines);
	free(block);
	free(lines);
}

void
fuzz_one(struct cursor *in)
{
	struct candidates *c = candidates_new();

	must(c != NULL);
	while (more(in)) {
		struct uuid client = { { (uint8_t)pick(in, 4) } };

		switch (pick(in, 4)) {
		case 0:
		case 1:
			hold(c, in, &client);
			break;
		case 2:
			candidates_forget(c, &client);
			must(!candidates_holds(c, &client));
			break;
		default:
			(void)take(c);
		}
	}
	while (take(c))
		;
	candidates_free(c);
}
