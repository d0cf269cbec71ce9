/* Candidates held for the portal: what is taken out was put in. */
#include "control-worker/portal/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "control-worker/portal/messages.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS 4

static bool
is_in_mask(const void *ctx, const struct uuid *client)
{
	const unsigned *mask = ctx;

	return (*mask >> client->bytes[0] & 1) != 0;
}

/* False when there is nothing left, but of those who wait. */
static bool
take(struct candidates *c, unsigned waiting)
{
	struct uuid client;
	bool withdrawn;
	char *lines =
		 candidates_take(c, &client, &withdrawn, is_in_mask, &waiting),
	     *payload;
	size_t len;

	if (lines == NULL)
		return false;
	len = strlen(lines);
	must(len > 0 && lines[len - 1] == '\n');
	must(!is_in_mask(&waiting, &client));
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
		struct uuid client = { { (uint8_t)pick(in, CLIENTS) } };

		switch (pick(in, 5)) {
		case 0:
		case 1:
			hold(c, in, &client);
			break;
		case 2:
			candidates_forget(c, &client);
			must(!candidates_holds(c, &client));
			break;
		case 3:
			candidates_release(c, &client);
			break;
		default:
			(void)take(c, (unsigned)pick(in, 1 << CLIENTS));
		}
	}
	/* None is lost. */
	for (uint8_t i = 0; i < CLIENTS; i++)
		candidates_release(c, &(struct uuid){ { i } });
	while (take(c, 0))
		;
	for (uint8_t i = 0; i < CLIENTS; i++)
		must(!candidates_holds(c, &(struct uuid){ { i } }));
	candidates_free(c);
}
