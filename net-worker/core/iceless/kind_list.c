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
kind_list_append(struct kind_list *list, const struct candidate *candidate)
{
	list->is_at_gone_relay[list->count] = false;
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
