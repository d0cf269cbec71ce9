/* Networks of the host within the tunnel ranges: see overlap.h. */
#include "common/overlap.h"

#include <stdio.h>

static bool
same_prefix(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->length == b->length && ip_equal(&a->ip, &b->ip);
}

void
overlaps_add(struct overlaps *o, const struct ip_prefix *network)
{
	for (size_t i = 0; i < o->count; i++)
		if (same_prefix(&o->network[i], network))
			return;
	if (o->count < OVERLAPS_MAX)
		o->network[o->count++] = *network;
}

bool
overlaps_equal(const struct overlaps *a, const struct overlaps *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_prefix(&a->network[i], &b->network[i]))
			return false;
	return true;
}

const struct ip_prefix *
overlaps_find(const struct overlaps *o, const struct ip_address *ip)
{
	for (size_t i = 0; i < o->count; i++)
		if (prefix_contains(&o->network[i], ip))
			return &o->network[i];
	return NULL;
}

const char *
prefix_format(const struct ip_prefix *p, char to[PREFIX_TEXT_MAX])
{
	char ip[ENDPOINT_TEXT_MAX];

	snprintf(to, PREFIX_TEXT_MAX, "%s/%u", ip_format(&p->ip, ip), p->length);
	return to;
}
