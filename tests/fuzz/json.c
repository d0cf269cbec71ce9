/* JSON from the portal: every value that a reader can come to is whole. */
#include "control-worker/json/json.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static void
check_value(const struct json_value *v)
{
	char copy[64];

	must(v->type <= JSON_OBJECT);
	must(v->span > 0);
	if (v->type == JSON_STRING) {
		must(v->text != NULL && v->text[v->len] == '\0');
		if (json_copy(v, copy, sizeof(copy)))
			must(strlen(copy) == v->len);
	}
	if (v->key != NULL)
		must(v->key[v->key_len] == '\0');
}

/* Children and their spans add up; the values lie in the order written. */
static void
check_children(const struct json_value *v)
{
	const struct json_value *child;
	size_t n = 0, span = 1;

	for (child = json_first(v); child != NULL;
	     child = json_next(v, child)) {
		must(child == v + span);
		span += child->span;
		n++;
		if (v->type == JSON_OBJECT) {
			must(child->key != NULL);
			if (strlen(child->key) == child->key_len)
				must(json_get(v, child->key) != NULL);
		}
		if (n > 256)
			return;
	}
	must(n == json_count(v) && span == v->span);
}

void
fuzz_one(struct cursor *in)
{
	struct json_document *d;
	const struct json_value *root;

	if (json_parse(&d, in->at, in->left) != JSON_OK)
		return;
	root = json_root(d);
	must(root != NULL && root->span <= JSON_VALUES_MAX);
	for (uint32_t i = 0; i < root->span && i < 4096; i++) {
		check_value(&root[i]);
		check_children(&root[i]);
	}
	json_free(d);
}
