/* What attempts say of a server: see probe_result.h. */
#include "control-worker/net/probe_result.h"

#include <string.h>

bool
probe_result_note(struct probe_result *r, const char *error,
    uint64_t connect_us, uint64_t now)
{
	const bool answers = error == NULL;

	strlcpy(r->error, answers ? "" : error, sizeof(r->error));
	if (answers) {
		r->failures = 0;
		r->connect_us = connect_us;
	} else {
		r->failures++;
		r->failed++;
	}
	if ((!answers && r->failures < PROBE_FAILURES) ||
	    (r->known && r->answers == answers))
		return false;
	r->known = true;
	r->answers = answers;
	r->since = now;
	return true;
}

bool
probe_results_all_known(const struct probe_results *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (!all->of[i].known)
			return false;
	return true;
}

bool
probe_results_any_silent(const struct probe_results *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->of[i].known && !all->of[i].answers)
			return true;
	return false;
}
