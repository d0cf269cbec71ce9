/* Short lists of candidates: see kind_list.h. */
#include "net-worker/core/iceless/kind_list.h"

#include <string.h>

struct candidate *
kind_list_find(struct kind_list *list, const struct endpoint *address,
    const struct endpoint *related, const struct endpoint *base)
{
	for (size_t i = 0; i < list->count; i++) {
		struct candidate *c = &list->candidate[i];

		if (endpoint_equal(&c->address, address) &&
		    (related == NULL || endpoint_equal(&c->related, related)) &&
		    (base == NULL || endpoint_equal(&c->base, base)))
			return c;
	}
	return NULL;
}

void
kind_list_append(
    struct kind_list *list, struct mono now, const struct candidate *candidate)
{
	list->is_at_gone_relay[list->count] = false;
	list->heard[list->count] = now;
	list->candidate[list->count++] = *candidate;
}

void
kind_list_remove(struct kind_list *list, size_t i)
{
	size_t left = --list->count - i;

	memmove(&list->candidate[i], &list->candidate[i + 1],
	    left * sizeof(list->candidate[0]));
	memmove(&list->is_at_gone_relay[i], &list->is_at_gone_relay[i + 1],
	    left * sizeof(list->is_at_gone_relay[0]));
	memmove(&list->heard[i], &list->heard[i + 1],
	    left * sizeof(list->heard[0]));
}

/* Ours or the peer's: no base of the peer's is one of ours. */
static bool
is_end_of(const struct candidate *c, const struct path *path)
{
	return endpoint_equal(&c->address, &path->remote) ||
	    endpoint_equal(&c->base, &path->local);
}

void
kind_list_heard(
    struct kind_list *list, struct mono now, const struct path *path)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_end_of(&list->candidate[i], path))
			list->heard[i] = now;
}

size_t
kind_list_least(const struct kind_list *list, const struct path *in_use)
{
	size_t least = list->count;

	for (size_t i = 0; i < list->count; i++) {
		const struct candidate *c = &list->candidate[i];
		bool gone = list->is_at_gone_relay[i];

		if (in_use != NULL && is_end_of(c, in_use))
			continue;
		if (least == list->count ||
		    (gone && !list->is_at_gone_relay[least]) ||
		    (gone == list->is_at_gone_relay[least] &&
			mono_before(list->heard[i], list->heard[least])))
			least = i;
	}
	return least == list->count ? 0 : least;
}

void
kind_list_relay_gone(struct kind_list *list, const struct ip_address *ip)
{
	for (size_t i = 0; i < list->count; i++)
		if (ip_equal(&list->candidate[i].address.ip, ip))
			list->is_at_gone_relay[i] = true;
}

bool
kind_list_leads_to_gone_relay(
    const struct kind_list *list, const struct endpoint *address)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->is_at_gone_relay[i] &&
		    endpoint_equal(&list->candidate[i].address, address))
			return true;
	return false;
}
