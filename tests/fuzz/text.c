/* The small values written as text: what is accepted survives printing. */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/plan.h"
#include "common/uuid.h"
#include "parent/config_file.h"
#include "parent/options.h"
#include "tests/fuzz/fuzz.h"

static void
check_uuid(const char *text)
{
	char printed[UUID_TEXT_LEN + 1];
	struct uuid u, again;

	if (!uuid_parse(text, &u))
		return;
	must(uuid_parse(uuid_format(&u, printed), &again));
	must(uuid_equal(&u, &again));
}

static void
check_ip(const char *text)
{
	char printed[ENDPOINT_TEXT_MAX];
	struct ip_address ip, again;

	if (!ip_parse(text, &ip))
		return;
	must(ip_parse(ip_format(&ip, printed), &again));
	must(ip_equal(&ip, &again));
	must(!(ip_in_tunnel_range(&ip) && ip_in_proxy_range(&ip)));
}

static void
check_endpoint(const char *text)
{
	char printed[ENDPOINT_TEXT_MAX];
	struct endpoint e, again;
	struct sockaddr_storage ss;

	if (!endpoint_parse(text, &e))
		return;
	must(endpoint_parse(endpoint_format(&e, printed), &again));
	must(endpoint_equal(&e, &again));
	must(endpoint_to_sockaddr(&e, &ss) > 0);
	must(endpoint_from_sockaddr((const struct sockaddr *)&ss, &again));
	must(endpoint_equal(&e, &again));
}

static void
check_prefix(const char *text)
{
	struct ip_prefix p;

	if (!prefix_parse(text, &p))
		return;
	must(p.length <= ip_size(&p.ip) * 8);
	must(prefix_contains(&p, &p.ip));
}

static void
check_config(const char *text)
{
	char *copy = strdup(text);
	struct config_cursor cursor = { .at = copy };
	struct problems problems = { 0 };
	struct config_line line;
	unsigned before = 0;

	must(copy != NULL);
	cursor.end = copy + strlen(text);
	while (config_next_line(&cursor, "file", &line, &problems)) {
		must(line.number > before);
		before = line.number;
		must(line.name[0] != '\0' && line.name[0] != '#');
		must(line.name + strlen(line.name) <= cursor.end);
		must(line.value + strlen(line.value) <= cursor.end);
		must(strpbrk(line.name, " \t\n") == NULL);
		must(strchr(line.value, '\n') == NULL);
	}
	must(cursor.at == cursor.end);
	free(copy);
}

void
fuzz_one(struct cursor *in)
{
	char *text = pick_text(in);
	enum log_level level;
	uint64_t ms;

	check_uuid(text);
	check_ip(text);
	check_endpoint(text);
	check_prefix(text);
	check_config(text);
	(void)options_parse_duration(text, &ms);
	if (options_parse_directives(text, &level))
		must(level <= LOG_LEVEL_TRACE);
	free(text);
}
