/* Reports as text: see record.h. */
#include "control-worker/flow/record.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>
#include <yajl/yajl_gen.h>
#include <zlib.h>

#include "common/buffer.h"
#include "control-worker/json/json.h"

#define NS_PER_S UINT64_C(1000000000)

#define FILE_HEAD  "{\"checksum\":"
#define FILE_INNER ",\"payload\":"

#define START_SUFFIX ".start.json"
#define END_SUFFIX   ".end.json"

const char *
flow_time_format(uint64_t ns, char to[FLOW_TIME_MAX])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	uint32_t fraction = (uint32_t)(ns % NS_PER_S);
	int digits = 9, n;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	n = snprintf(to, FLOW_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	while (digits > 0 && fraction % 1000 == 0) {
		fraction /= 1000;
		digits -= 3;
	}
	if (digits > 0)
		n += snprintf(to + n, FLOW_TIME_MAX - (size_t)n, ".%0*" PRIu32,
		    digits, fraction);
	snprintf(to + n, FLOW_TIME_MAX - (size_t)n, "Z");
	return to;
}

static void
put_json_text(yajl_gen g, const char *text)
{
	(void)yajl_gen_string(g, (const unsigned char *)text, strlen(text));
}

static void
put_number(yajl_gen g, const char *key, uint64_t n)
{
	put_json_text(g, key);
	(void)yajl_gen_integer(g, n > INT64_MAX ? INT64_MAX : (long long)n);
}

static void
put_time(yajl_gen g, const char *key, uint64_t ns)
{
	char text[FLOW_TIME_MAX];

	put_json_text(g, key);
	put_json_text(g, flow_time_format(ns, text));
}

static void
put_endpoint(yajl_gen g, const char *ip_key, const char *port_key,
    const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	put_json_text(g, ip_key);
	put_json_text(g, ip_format(&e->ip, text));
	put_number(g, port_key, e->port);
}

static void
put_paths(yajl_gen g, const struct ipc_flow *f)
{
	put_json_text(g, "outers");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < f->paths_count; i++) {
		const struct flow_path *p = &f->paths[i];

		yajl_gen_map_open(g);
		put_endpoint(g, "dst_ip", "dst_port", &p->local);
		put_time(g, "path_activated_at", p->at);
		/* Both or none. */
		if (p->from.ip.family != IP_NONE)
			put_endpoint(g, "src_ip", "src_port", &p->from);
		yajl_gen_map_close(g);
	}
	yajl_gen_array_close(g);
}

/* As the DNS has it; anything else would not be JSON perhaps. */
static bool
is_domain(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* The keys in their order. */
static void
put_report_keys(yajl_gen g, const struct ipc_flow *f)
{
	yajl_gen_map_open(g);
	if (is_domain(f->domain)) {
		put_json_text(g, "domain");
		put_json_text(g, f->domain);
	}
	if (f->closed)
		put_time(g, "flow_end", f->ended_at);
	put_time(g, "flow_start", f->started_at);
	put_endpoint(g, "inner_dst_ip", "inner_dst_port", &f->destination);
	put_endpoint(g, "inner_src_ip", "inner_src_port", &f->source);
	if (f->closed)
		put_time(g, "last_packet", f->last_packet_at);
	put_paths(g, f);
	put_json_text(g, "protocol");
	put_json_text(g, f->protocol == IPPROTO_TCP ? "tcp" : "udp");
	if (f->closed) {
		put_number(g, "rx_bytes", f->rx_bytes);
		put_number(g, "rx_packets", f->rx_packets);
		put_number(g, "tx_bytes", f->tx_bytes);
		put_number(g, "tx_packets", f->tx_packets);
	}
	yajl_gen_map_close(g);
}

static bool
is_report(const struct ipc_flow *f)
{
	if ((f->protocol != IPPROTO_TCP && f->protocol != IPPROTO_UDP) ||
	    f->source.ip.family == IP_NONE ||
	    f->destination.ip.family != f->source.ip.family ||
	    (f->closed && f->paths_count == 0))
		return false;
	for (size_t i = 0; i < f->paths_count; i++)
		if (f->paths[i].local.ip.family == IP_NONE)
			return false;
	return true;
}

size_t
flow_payload_format(const struct ipc_flow *f, char to[FLOW_PAYLOAD_MAX + 1])
{
	const unsigned char *text;
	size_t len = 0;
	yajl_gen g;

	to[0] = '\0';
	if (!is_report(f) || (g = yajl_gen_alloc(NULL)) == NULL)
		return 0;
	put_report_keys(g, f);
	if (yajl_gen_get_buf(g, &text, &len) != yajl_gen_status_ok ||
	    len > FLOW_PAYLOAD_MAX)
		len = 0;
	if (len > 0)
		memcpy(to, text, len);
	to[len] = '\0';
	yajl_gen_free(g);
	return len;
}

static uint32_t
payload_checksum(const char *payload, size_t len)
{
	return (uint32_t)crc32(0, (const Bytef *)payload, (uInt)len);
}

bool
flow_payload_check(const char *text, size_t len)
{
	struct json_document *d;
	bool good;

	if (json_parse(&d, text, len) != JSON_OK)
		return false;
	good = json_is(json_root(d), JSON_OBJECT);
	json_free(d);
	return good;
}

/* The decimal number of 32 bits at the cursor. */
static bool
take_number(struct cursor *c, uint32_t *n)
{
	uint64_t value = 0;
	size_t digits = 0;

	while (c->left > 0 && *c->at >= '0' && *c->at <= '9' && digits++ < 10)
		value = value * 10 + (uint64_t)(cursor_u8(c) - '0');
	*n = (uint32_t)value;
	return digits > 0 && value <= UINT32_MAX;
}

static bool
take_text(struct cursor *c, const char *text)
{
	const uint8_t *at = cursor_bytes(c, strlen(text));

	return at != NULL && memcmp(at, text, strlen(text)) == 0;
}

bool
flow_file_parse(
    const char *file, size_t len, const char **payload, size_t *payload_len)
{
	struct cursor c;
	uint32_t sum;

	cursor_init(&c, file, len);
	if (!take_text(&c, FILE_HEAD) || !take_number(&c, &sum) ||
	    !take_text(&c, FILE_INNER) || c.left < 2 ||
	    c.left - 1 > FLOW_PAYLOAD_MAX || c.at[c.left - 1] != '}')
		return false;
	*payload = (const char *)c.at;
	*payload_len = c.left - 1;
	return payload_checksum(*payload, *payload_len) == sum &&
	    flow_payload_check(*payload, *payload_len);
}

/* What tells two flows of one authorization apart, in 16 digits. */
static void
format_identity(const struct ipc_flow *f, char to[17])
{
	uint8_t key[64], hash[crypto_generichash_BYTES_MIN];
	struct writer w;

	writer_init(&w, key, sizeof(key));
	writer_u8(&w, f->protocol);
	writer_bytes(&w, f->source.ip.bytes, sizeof(f->source.ip.bytes));
	writer_be16(&w, f->source.port);
	writer_bytes(
	    &w, f->destination.ip.bytes, sizeof(f->destination.ip.bytes));
	writer_be16(&w, f->destination.port);
	writer_be64(&w, f->started_at);
	crypto_generichash(hash, sizeof(hash), key, w.len, NULL, 0);
	sodium_bin2hex(to, 17, hash, 8);
}

const char *
flow_name_format(const struct ipc_flow *f, char to[FLOW_NAME_MAX])
{
	char id[17];

	format_identity(f, id);
	/* Ten digits last until the year 2286. */
	snprintf(to, FLOW_NAME_MAX, "%010" PRIu64 "-%s%s",
	    f->started_at / NS_PER_S % UINT64_C(10000000000), id,
	    f->closed ? END_SUFFIX : START_SUFFIX);
	return to;
}

bool
flow_name_parse(const char *name, bool *closed)
{
	if (strspn(name, "0123456789") != 10 || name[10] != '-' ||
	    strspn(name + 11, "0123456789abcdef") != 16)
		return false;
	*closed = strcmp(name + FLOW_STEM_LEN, END_SUFFIX) == 0;
	return *closed || strcmp(name + FLOW_STEM_LEN, START_SUFFIX) == 0;
}

const char *
flow_name_of_start(const char *end, char to[FLOW_NAME_MAX])
{
	snprintf(to, FLOW_NAME_MAX, "%.*s" START_SUFFIX, FLOW_STEM_LEN, end);
	return to;
}

const char *
flow_name_of_end(const char *start, char to[FLOW_NAME_MAX])
{
	snprintf(to, FLOW_NAME_MAX, "%.*s" END_SUFFIX, FLOW_STEM_LEN, start);
	return to;
}
