/* What posternctl(8) asks for: see ctl_request.h. */
#include "control-worker/operator/ctl_request.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/drain.h"

static const char unknown[] = "unknown request";

static const char *const commands[] = {
	[CTL_STATUS] = "status",
	[CTL_CLIENTS] = "clients",
	[CTL_RELAYS] = "relays",
	[CTL_RESOURCES] = "resources",
	[CTL_EXPLAIN] = "explain",
	[CTL_FLOWS] = "flows",
	[CTL_FOLLOW] = "follow",
	[CTL_LOG] = "log",
	[CTL_NETCHECK] = "netcheck",
	[CTL_CONFIG] = "config",
	[CTL_METRICS] = "metrics",
	[CTL_TOP] = "top",
	[CTL_DRAIN] = "drain",
};

static const char *const forms[] = {
	[CTL_TEXT] = "text",
	[CTL_WIDE] = "wide",
	[CTL_JSON] = "json",
};

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmp", IPPROTO_ICMP },
	{ "icmp", IPPROTO_ICMPV6 },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Which of the words it is, or -1. */
static int
word_index(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (word != NULL && strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

/* Digits alone, up to max; false for anything else. */
static bool
parse_digits(const char *text, unsigned long max, unsigned long *to)
{
	size_t len = strspn(text, "0123456789");

	*to = len == 0 || len > 6 || text[len] != '\0'
	    ? max + 1
	    : strtoul(text, NULL, 10);
	return *to <= max;
}

const char *
ctl_protocol_name(uint8_t protocol, char to[8])
{
	for (size_t i = 0; i < COUNT(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	snprintf(to, 8, "%u", protocol);
	return to;
}

static bool
parse_protocol(const char *text, uint8_t *to)
{
	unsigned long number;

	for (size_t i = 0; i < COUNT(protocols); i++)
		if (strcmp(text, protocols[i].name) == 0) {
			*to = protocols[i].number;
			return true;
		}
	if (!parse_digits(text, UINT8_MAX, &number))
		return false;
	*to = (uint8_t)number;
	return true;
}

/* Letters, digits, hyphens and what else may be in a name; one dot at least. */
static bool
parse_domain(const char *text, char *to, size_t size)
{
	size_t len = strlen(text);

	if (len == 0 || len >= size || strchr(text, '.') == NULL ||
	    text[0] == '.' || strstr(text, "..") != NULL)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '-' || c == '_' ||
			c == '.'))
			return false;
	}
	memcpy(to, text, len + 1);
	if (to[len - 1] == '.')
		to[len - 1] = '\0';
	return true;
}

/* An address or a name; what is behind its last colon is a port. */
static const char *
parse_destination(char *text, struct ctl_packet *p)
{
	bool ports = p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
	char *colon = strrchr(text, ':');
	unsigned long port = 0;

	if (ip_parse(text, &p->destination.ip) ||
	    endpoint_parse(text, &p->destination)) {
		port = p->destination.port;
	} else {
		if (colon != NULL) {
			*colon = '\0';
			if (!parse_digits(colon + 1, UINT16_MAX, &port))
				return "a port is a number up to 65535";
		}
		if (!parse_domain(text, p->domain, sizeof(p->domain)))
			return "the destination is neither an address nor a "
			       "name";
		p->destination.port = (uint16_t)port;
	}
	if (ports && port == 0)
		return "tcp and udp need a port: NAME:PORT, IPV4:PORT or "
		       "[IPV6]:PORT";
	if (!ports && port != 0)
		return "only tcp and udp have ports";
	return NULL;
}

static const char *
parse_packet(char **rest, struct ctl_packet *p)
{
	const char *protocol = strsep(rest, " ");
	char *destination = strsep(rest, " ");

	if (destination == NULL)
		return unknown;
	if (!parse_protocol(protocol, &p->protocol))
		return "the protocol is none of tcp, udp, icmp and numbers up "
		       "to 255";
	return parse_destination(destination, p);
}

static bool
takes_client(enum ctl_command command)
{
	return command == CTL_CLIENTS || command == CTL_EXPLAIN ||
	    command == CTL_FLOWS || command == CTL_FOLLOW;
}

static const char *
parse_drain(const char *rest, struct ctl_request *r)
{
	unsigned long seconds;

	if (rest != NULL && strcmp(rest, "cancel") == 0)
		return NULL;
	if (rest == NULL || !parse_digits(rest, DRAIN_WITHIN_MAX, &seconds) ||
	    seconds == 0)
		return "the time is of 1 second to 7 days";
	r->within = (uint32_t)seconds;
	return NULL;
}

const char *
ctl_request_parse(const char *line, size_t len, struct ctl_request *r)
{
	char copy[CTL_REQUEST_MAX], *rest = copy;
	const char *why;
	int command, form;

	*r = (struct ctl_request){ 0 };
	if (len == 0 || len > sizeof(copy) || line[len - 1] != '\n' ||
	    memchr(line, '\0', len) != NULL ||
	    memchr(line, '\n', len) != line + len - 1)
		return unknown;
	memcpy(copy, line, len - 1);
	copy[len - 1] = '\0';
	command = word_index(commands, COUNT(commands), strsep(&rest, " "));
	form = word_index(forms, COUNT(forms), strsep(&rest, " "));
	if (command == -1 || form == -1)
		return unknown;
	r->command = (enum ctl_command)command;
	r->form = (enum ctl_form)form;
	if (r->command == CTL_EXPLAIN &&
	    (why = parse_packet(&rest, &r->packet)) != NULL)
		return why;
	if (r->command == CTL_DRAIN)
		return parse_drain(rest, r);
	if (r->command == CTL_LOG)
		return rest != NULL && log_parse_level(rest, &r->level)
		    ? NULL
		    : "the level is none of error, warn, info, debug and trace";
	if (r->command == CTL_TOP && r->form == CTL_JSON)
		return unknown;
	if (rest == NULL)
		return r->command == CTL_EXPLAIN ? unknown : NULL;
	if (!takes_client(r->command))
		return unknown;
	if (*rest == '\0' || strlen(rest) > CTL_CLIENT_MAX)
		return "a client is an id, a name or an address";
	strlcpy(r->client, rest, sizeof(r->client));
	return NULL;
}
