/* The table of what clients do: see habits.h. */
#include "tests/client/habits.h"

#include <stddef.h>
#include <stdio.h>

const char habits_newest[] = "1.5.16";

/* clang-format off */
#define OLD_CHECKS  .active = { 8, 250, 1500 }, .idle = { 4, 60000, 60000 }
#define LONG_CHECKS .active = { 12, 250, 1500 }, .idle = { 4, 25000, 25000 }

/* Each row repeats what the one before it has, but for what is new in it. */
static const struct habits table[] = {
	{ .release = "1.3", .generation = 1, OLD_CHECKS, .close_after_s = 300,
	    .late_candidates = true, .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .keepalive_s = 25,
	    .attempt_s = 90, .handshake_on_path = true },
	{ .release = "1.4.0", .generation = 2, OLD_CHECKS, .idle_after_s = 10,
	    .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .keepalive_s = 25, .attempt_s = 90 },
	{ .release = "1.4.1", .generation = 2, OLD_CHECKS, .idle_after_s = 10,
	    .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .attempt_s = 90 },
	{ .release = "1.4.10", .generation = 2, OLD_CHECKS, .idle_after_s = 20,
	    .raddr = true, .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .attempt_s = 90 },
	{ .release = "1.4.13", .generation = 2, OLD_CHECKS, .idle_after_s = 20,
	    .raddr = true, .ufrag = true, .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .attempt_s = 90 },
	{ .release = "1.5.4", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .raddr = true, .ufrag = true, .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .attempt_s = 90 },
	{ .release = "1.5.5", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .raddr = true, .ufrag = true,
	    .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .attempt_s = 90 },
	{ .release = "1.5.6", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .late_candidates = true, .raddr = true,
	    .ufrag = true, .announces_again = true,
	    .withdraws_srflx = true,
	    .wireguard = FROM_CHECKED, .attempt_s = 15 },
	{ .release = "1.5.7", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .late_candidates = true, .raddr = true,
	    .ufrag = true, .announces_again = true,
	    .withdraws_srflx = true,
	    .wireguard = FROM_ANYWHERE, .attempt_s = 15,
	    .handshake_on_grant = true, .goodbye = true },
	{ .release = "1.5.9", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .late_candidates = true, .raddr = true,
	    .ufrag = true, .announces_again = true, .announces_prflx = true,
	    .withdraws_srflx = true,
	    .wireguard = FROM_ANYWHERE, .attempt_s = 15,
	    .handshake_on_grant = true, .goodbye = true },
	{ .release = "1.5.10", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .late_candidates = true, .raddr = true,
	    .ufrag = true, .announces_again = true, .announces_prflx = true,
	    .wireguard = FROM_ANYWHERE, .attempt_s = 15,
	    .handshake_on_grant = true, .goodbye = true },
	{ .release = "1.5.11", .generation = 2, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .late_candidates = true, .raddr = true,
	    .ufrag = true, .announces_again = true, .announces_prflx = true,
	    .wireguard = FROM_ANYWHERE, .attempt_s = 20,
	    .handshake_on_grant = true, .goodbye = true },
	{ .release = "1.5.16", .generation = 3, LONG_CHECKS, .idle_after_s = 20,
	    .hopeless_ms = 2000, .late_candidates = true, .raddr = true,
	    .ufrag = true, .announces_again = true, .announces_prflx = true,
	    .wireguard = FROM_ANYWHERE, .late_keepalive = true, .attempt_s = 20,
	    .handshake_on_grant = true, .goodbye = true,
	    .iceless = true },
};
/* clang-format on */

struct release {
	unsigned major, minor, patch;
};

static bool
parse_release(const char *text, struct release *r)
{
	*r = (struct release){ 0 };
	return sscanf(text, "%3u.%3u.%3u", &r->major, &r->minor, &r->patch) >=
	    2;
}

static bool
is_newer(const struct release *a, const struct release *b)
{
	if (a->major != b->major)
		return a->major > b->major;
	if (a->minor != b->minor)
		return a->minor > b->minor;
	return a->patch > b->patch;
}

const struct habits *
habits_of_release(const char *text)
{
	const struct habits *found = NULL;
	struct release wanted, first;

	if (!parse_release(text, &wanted))
		return NULL;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (parse_release(table[i].release, &first) &&
		    !is_newer(&first, &wanted))
			found = &table[i];
	return found;
}

const char *
habits_release_of(unsigned generation)
{
	static const char *const releases[] = { NULL, "1.3.3", "1.5.4",
		habits_newest };

	return generation < sizeof(releases) / sizeof(releases[0])
	    ? releases[generation]
	    : NULL;
}
