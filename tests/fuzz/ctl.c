/*
 * What reaches an operator's terminal by way of the operator's socket: a line
 * of posternctl is a request or is not, names become fit to be shown, and whom
 * they call is found, whatever either is made of.
 */
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/search.h"

#include <stdlib.h>
#include <string.h>

#include "control-worker/directory/label.h"
#include "control-worker/operator/table.h"
#include "tests/fuzz/fuzz.h"

static void
check_request(const char *line, size_t len)
{
	struct ctl_request r;
	const char *why = ctl_request_parse(line, len, &r);
	bool name = r.packet.domain[0] != '\0';

	if (why != NULL) {
		must(why[0] != '\0' && strlen(why) < 80);
		return;
	}
	must(r.command <= CTL_DRAIN && r.form <= CTL_JSON);
	must(r.command == CTL_EXPLAIN || r.packet.protocol == 0);
	must(r.command != CTL_EXPLAIN || r.client[0] != '\0');
	must(r.command != CTL_TOP || r.form != CTL_JSON);
	must(r.command != CTL_EXPLAIN ||
	    name == (r.packet.destination.ip.family == IP_NONE));
	must(strchr(r.client, '\n') == NULL);
}

/* Nothing that a terminal would act upon. */
static void
check_shown(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0';
	     c++) {
		must(*c >= 0x20 && *c != 0x7f);
		must(!(c[0] == 0xc2 && c[1] < 0xa0)); /* C1 */
		must(!(c[0] == 0xe2 && c[1] == 0x80 && c[2] >= 0xa8 &&
		    c[2] <= 0xae)); /* lines and directions */
	}
}

static void
check_cell(const char *label)
{
	struct text t = { 0 };

	table_cell(&t, label, 28);
	text_write(&t, "", 1);
	must(!t.failed && label_width(t.bytes) == 28 + 1);
	check_shown(t.bytes);
	text_free(&t);
}

static void
check_names(const char *bytes, size_t len)
{
	const struct client_description c = {
		.client = { { 7 } },
		.actor = { bytes, len / 2 },
		.email = { bytes + len / 2, len - len / 2 },
		.system = { bytes, len },
	};
	struct directory *d = directory_new();
	struct ipc_query_client row = { .client = c.client };
	struct search s = { .wanted = NULL };
	struct client_entry e;
	char who[WHO_MAX + 1];

	if (d == NULL)
		return;
	directory_learn_client(d, &c);
	check_shown(directory_who(d, &c.client, who));
	check_cell(who);
	if (directory_client(d, &c.client, &e) && e.email[0] != '\0') {
		s.wanted = e.email;
		search_look(&s, d, &row);
		must(search_result(&s)->count == 1);
	}
	directory_free(d);
}

void
fuzz_one(struct cursor *in)
{
	size_t len = in->left;
	char *bytes = pick_text(in);

	check_request(bytes, len);
	check_names(bytes, len);
	free(bytes);
}
