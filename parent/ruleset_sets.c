/* The sets and maps of other people's rules: see ruleset_sets.h. */
#include "parent/ruleset_sets.h"

/* Does not bear to come after <linux/netfilter.h>. */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "parent/netlink_request.h"
#include "parent/nft_attribute.h"

/* What packets add, and what time takes away, is told to nobody. */
#define UNTOLD_FLAGS (NFT_SET_EVAL | NFT_SET_TIMEOUT)

/* --- Sets ----------------------------------------------------------------- */

void
sets_read_set(const struct nlmsghdr *h, void *data)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct set_reader *r = data;
	const struct ruleset_table *table = &r->rules->table[r->table];
	const char *name = nft_text(nft_attribute(h, NFTA_SET_NAME));
	struct ruleset_set *s;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*g) ||
	    g->nfgen_family != table->family ||
	    !nft_text_is(nft_attribute(h, NFTA_SET_TABLE), table->name) ||
	    r->sets->sets == SETS_MAX || strlen(name) >= sizeof(s->name))
		return;
	s = &r->sets->set[r->sets->sets++];
	*s = (struct ruleset_set){
		.family = table->family,
		.handle = nft_number64(nft_attribute(h, NFTA_SET_HANDLE)),
		.flags = nft_number(nft_attribute(h, NFTA_SET_FLAGS), 0),
		.key_len = nft_number(nft_attribute(h, NFTA_SET_KEY_LEN), 0),
	};
	memcpy(s->table, table->name, sizeof(s->table));
	memcpy(s->name, name, strlen(name) + 1);
}

static bool
is_named(const struct ruleset_set *s, uint8_t family, const char *table,
    const char *name)
{
	return s->family == family && strcmp(s->name, name) == 0 &&
	    strcmp(s->table, table) == 0;
}

const struct ruleset_set *
sets_use(struct ruleset_sets *all, const struct ruleset_table *table,
    const char *name)
{
	struct ruleset_set *s;

	for (s = all->set; s < all->set + all->sets; s++)
		if (s->known &&
		    is_named(s, table->family, table->name, name)) {
			s->used = true;
			return s;
		}
	return NULL;
}

bool
sets_concern(const struct ruleset_sets *all, const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const char *table =
	    nft_text(nft_attribute(h, NFTA_SET_ELEM_LIST_TABLE));
	const char *name = nft_text(nft_attribute(h, NFTA_SET_ELEM_LIST_SET));

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
		return false;
	for (unsigned i = 0; i < all->sets; i++)
		if (all->set[i].used &&
		    is_named(&all->set[i], g->nfgen_family, table, name))
			return true;
	return false;
}

/* --- Elements ------------------------------------------------------------- */

enum action
sets_read_verdict(struct ruleset *rules, unsigned table,
    const struct nlattr *verdict, uint16_t *target)
{
	enum action action;
	int chain;

	switch ((int)nft_number(
	    netlink_nested(verdict, NFTA_VERDICT_CODE), NF_ACCEPT)) {
	case NF_ACCEPT:
		return ACTION_ACCEPT;
	case NF_DROP:
		return ACTION_REFUSE;
	case NFT_RETURN:
		return ACTION_RETURN;
	case NFT_JUMP:
		action = ACTION_JUMP;
		break;
	case NFT_GOTO:
		action = ACTION_GOTO;
		break;
	default:
		return ACTION_NONE;
	}
	chain = ruleset_chain(rules, table,
	    nft_text(netlink_nested(verdict, NFTA_VERDICT_CHAIN)));
	if (chain == -1)
		return ACTION_NONE;
	*target = (uint16_t)chain;
	return action;
}

static bool
is_large(const struct ruleset_sets *all, const struct ruleset_set *s)
{
	for (unsigned i = 0; i < LARGE_SETS_MAX; i++)
		if (all->large[i].handle == s->handle &&
		    is_named(&all->large[i], s->family, s->table, s->name))
			return true;
	return false;
}

bool
sets_begin(struct set_reader *r, unsigned set)
{
	struct ruleset_set *s = &r->sets->set[set];

	r->set = set;
	s->first = r->sets->elements;
	s->elements = 0;
	s->known = (s->flags & UNTOLD_FLAGS) == 0 && s->key_len > 0 &&
	    s->key_len <= SET_KEY_MAX && !is_large(r->sets, s);
	return s->known;
}

static bool
read_key(const struct ruleset_set *s, const struct nlattr *element,
    uint16_t type, uint8_t *key)
{
	const struct nlattr *value = netlink_nested(
	    netlink_nested(element, type), NFTA_DATA_VALUE);

	if (value == NULL || mnl_attr_get_payload_len(value) != s->key_len)
		return false;
	memcpy(key, mnl_attr_get_payload(value), s->key_len);
	return true;
}

/* False for what a packet may match today and not tomorrow, such as a limit. */
static bool
read_element(struct set_reader *r, const struct ruleset_set *s,
    const struct nlattr *a, struct set_element *e)
{
	const uint32_t flags =
	    nft_number(netlink_nested(a, NFTA_SET_ELEM_FLAGS), 0);
	const struct nlattr *only = netlink_nested(a, NFTA_SET_ELEM_EXPR);
	const struct nlattr *verdict = netlink_nested(
	    netlink_nested(a, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT);

	*e = (struct set_element){
		.ends_interval = (flags & NFT_SET_ELEM_INTERVAL_END) != 0,
		.catches_all = (flags & NFT_SET_ELEM_CATCHALL) != 0,
	};
	if (netlink_nested(a, NFTA_SET_ELEM_EXPRESSIONS) != NULL ||
	    (only != NULL &&
		!nft_text_is(
		    netlink_nested(only, NFTA_EXPR_NAME), "counter")))
		return false;
	if (!e->catches_all) {
		if (!read_key(s, a, NFTA_SET_ELEM_KEY, e->low))
			return false;
		if (!read_key(s, a, NFTA_SET_ELEM_KEY_END, e->high))
			memcpy(e->high, e->low, sizeof(e->high));
	}
	if (verdict != NULL)
		e->action = (uint8_t)sets_read_verdict(
		    r->rules, r->table, verdict, &e->target);
	return true;
}

void
sets_read_elements(const struct nlmsghdr *h, void *data)
{
	struct set_reader *r = data;
	struct ruleset_set *s = &r->sets->set[r->set];
	const struct nlattr *list =
	    nft_attribute(h, NFTA_SET_ELEM_LIST_ELEMENTS);

	for (const struct nlattr *a = netlink_first(list);
	     a != NULL && s->known; a = netlink_next(list, a)) {
		if (r->sets->elements == SET_ELEMENTS_MAX) {
			s->known = false;
			/* And not for others before it. */
			if (s->elements > SET_ELEMENTS_MAX / 2)
				r->sets->large[r->sets->larges++ %
				    LARGE_SETS_MAX] = *s;
			break;
		}
		if (!read_element(
			r, s, a, &r->sets->element[r->sets->elements])) {
			s->known = false;
			break;
		}
		r->sets->elements++;
		s->elements++;
	}
}

/* The number before, of any length; 0 has none. */
static void
decrement_number(uint8_t *number, size_t len)
{
	while (len-- > 0)
		if (number[len]-- != 0)
			break;
}

/*
 * The kernel lists intervals from the greatest to the least, each as its first
 * value and, marked, the first behind it; which is missing where another
 * interval or nothing follows. False if they come otherwise.
 */
static bool
join_intervals(struct ruleset_set *s, struct set_element *list)
{
	uint8_t last[SET_KEY_MAX], behind[SET_KEY_MAX];
	const size_t len = s->key_len;
	bool begun = false, bounded = false;
	unsigned kept = 0;

	for (unsigned i = 0; i < s->elements; i++) {
		struct set_element e = list[i];

		if (!e.catches_all) {
			int order = begun ? memcmp(e.low, last, len) : 0;

			if (order > 0)
				return false;
			if (order < 0) {
				memcpy(behind, last, len);
				bounded = true;
			}
			memcpy(last, e.low, len);
			begun = true;
			if (e.ends_interval)
				continue;
			memset(e.high, 0xff, len);
			if (bounded) {
				memcpy(e.high, behind, len);
				decrement_number(e.high, len);
			}
		}
		list[kept++] = e;
	}
	s->elements = kept;
	return true;
}

void
sets_end(struct set_reader *r, bool complete)
{
	struct ruleset_set *s = &r->sets->set[r->set];
	struct set_element *list = &r->sets->element[s->first];

	s->known = s->known && complete;
	/* Those of concatenations come with both ends. */
	if (s->known && (s->flags & NFT_SET_INTERVAL) != 0 &&
	    (s->flags & NFT_SET_CONCAT) == 0)
		s->known = join_intervals(s, list);
	if (!s->known)
		s->elements = 0;
	r->sets->elements = s->first + s->elements;
}
