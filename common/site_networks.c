/* The networks of the site: see site_networks.h. */
#include "common/site_networks.h"

#include <string.h>

const struct site_networks site_networks_none;

static void
remove_covered(struct site_networks *s, const struct ip_prefix *by)
{
	size_t left = 0;

	for (size_t i = 0; i < s->count; i++)
		if (!prefix_covers(by, &s->network[i]))
			s->network[left++] = s->network[i];
	s->count = left;
}

void
site_networks_add(struct site_networks *s, const struct ip_prefix *p)
{
	size_t at = 0;

	for (size_t i = 0; i < s->count; i++)
		if (prefix_covers(&s->network[i], p))
			return;
	remove_covered(s, p);
	if (s->count == SITE_NETWORKS_MAX) {
		site_networks_close(s);
		return;
	}
	while (at < s->count && ip_compare(&s->network[at].ip, &p->ip) < 0)
		at++;
	memmove(&s->network[at + 1], &s->network[at],
	    (s->count - at) * sizeof(s->network[0]));
	s->network[at] = *p;
	s->count++;
}

void
site_networks_close(struct site_networks *s)
{
	*s = (struct site_networks){
		.network = { { { IP_V4, { 0 } }, 0 }, { { IP_V6, { 0 } }, 0 } },
		.count = 2,
	};
}

bool
site_networks_closed(const struct site_networks *s)
{
	return s->count > 0 && s->network[0].length == 0;
}

bool
site_networks_equal(
    const struct site_networks *a, const struct site_networks *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->network[i].length != b->network[i].length ||
		    !ip_equal(&a->network[i].ip, &b->network[i].ip))
			return false;
	return true;
}

/* The last one that begins at or before the address is the only one. */
bool
site_networks_contain(
    const struct ip_prefix *networks, size_t count, const struct ip_address *ip)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_compare(&networks[middle].ip, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && prefix_contains(&networks[low - 1], ip);
}
