/*
 * Log records as the parent gets them from a worker: whatever is in one, it
 * becomes one line of what a reader sees, or none.
 */
#include "common/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log_budget.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

static int output, report;

void
fuzz_init(void)
{
	output = memfd_create("output", MFD_CLOEXEC);
	report = dup(STDOUT_FILENO);
	must(output != -1 && report != -1);
}

/* What the record made the parent print. */
static size_t
relay(struct cursor *in, bool *accepted, char *line, size_t size)
{
	struct log_budget budget = { 0 };
	ssize_t n;

	must(ftruncate(output, 0) == 0 && lseek(output, 0, SEEK_SET) == 0);
	must(dup2(output, STDOUT_FILENO) != -1);
	*accepted = log_relay("net-worker", &budget, in->at, in->left);
	must(dup2(report, STDOUT_FILENO) != -1);
	n = pread(output, line, size, 0);
	must(n >= 0 && (size_t)n < size);
	return (size_t)n;
}

void
fuzz_one(struct cursor *in)
{
	char line[LOG_TEXT_MAX * 7];
	bool accepted, json = pick_bool(in);
	size_t len, taken;

	log_init_sink(
	    "fuzz", LOG_LEVEL_DEBUG, json ? LOG_FORMAT_JSON : LOG_FORMAT_HUMAN);
	len = relay(in, &accepted, line, sizeof(line));
	if (!accepted || in->at[0] > LOG_LEVEL_DEBUG) {
		must(len == 0);
		return;
	}
	must(len > 0 && line[len - 1] == '\n');
	for (size_t i = 0; i < len - 1; i += taken)
		must(utf8_is_shown(utf8_decode(line + i, len - 1 - i, &taken)));
	if (json)
		must(line[0] == '{' && line[len - 2] == '}');
}
