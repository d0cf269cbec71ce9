/* All options, and what their values may be: see option_table.h. */
#include "parent/option_table.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/counters.h"
#include "common/ctl.h"
#include "parent/spool.h"

#define TEXT_MAX 255 /* the portal's bound for name and id */
#define FLOW_LOG_KEEP_MAX     999
#define FLOW_LOG_MIB_MAX      1000000
#define SERIES_MAX            (METERS - 1) /* meter 0 is of all others */
#define PROBE_INTERVAL_MAX_MS (3600 * 1000)

static bool
parse_bool(const char *text, bool *to)
{
	*to = strcmp(text, "true") == 0;
	return *to || strcmp(text, "false") == 0;
}

static bool
parse_number(const char *text, long low, long high, long *to)
{
	char *end;

	errno = 0;
	*to = strtol(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 &&
	    *to >= low && *to <= high;
}

/* What the portal and a message between processes take. */
static bool
is_plain_text(const char *text, size_t max)
{
	if (strlen(text) > max)
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool
set_api_url(struct options *o, const char *value)
{
	static const char *const schemes[] = { "wss", "https", "ws", "http" };
	const char *host = strstr(value, "://");
	bool known = false;

	o->api_url = value;
	if (host == NULL || host[3] == '\0' || strchr(value, ' ') != NULL)
		return false;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		known |= strlen(schemes[i]) == (size_t)(host - value) &&
		    strncasecmp(schemes[i], value, strlen(schemes[i])) == 0;
	return known && is_plain_text(value, URL_TEXT_MAX);
}

static bool
set_name(struct options *o, const char *value)
{
	o->name = *value == '\0' ? NULL : value;
	return is_plain_text(value, TEXT_MAX);
}

static bool
set_id(struct options *o, const char *value)
{
	o->id = *value == '\0' ? NULL : value;
	return is_plain_text(value, TEXT_MAX);
}

static bool
set_log_format(struct options *o, const char *value)
{
	if (strcmp(value, "json") == 0)
		o->log_format = LOG_FORMAT_JSON;
	else if (strcmp(value, "human") == 0)
		o->log_format = LOG_FORMAT_HUMAN;
	else
		return false;
	return true;
}

static bool
set_max_partition(struct options *o, const char *value)
{
	return options_parse_duration(value, &o->max_partition_ms);
}

static bool
set_portal_generation(struct options *o, const char *value)
{
	long n = 0;

	if (strcmp(value, "auto") != 0 && !parse_number(value, 1, 3, &n))
		return false;
	o->portal_generation = (uint8_t)n;
	return true;
}

static bool
set_ca_file(struct options *o, const char *value)
{
	o->ca_file = value;
	return *value != '\0';
}

static bool
set_config(struct options *o, const char *value)
{
	o->config_file = value;
	return true;
}

static bool
set_token_file(struct options *o, const char *value)
{
	o->token_file = value;
	/* Not a token given by mistake, which no error may quote. */
	return *value == '/';
}

static bool
set_log_level(struct options *o, const char *value)
{
	return options_parse_directives(value, &o->log_level);
}

static bool
set_ctl_socket(struct options *o, const char *value)
{
	o->ctl_socket = value;
	return *value != '\0';
}

static bool
set_state_dir(struct options *o, const char *value)
{
	o->state_dir = value;
	return *value != '\0';
}

static bool
set_flow_log(struct options *o, const char *value)
{
	static const char file[] = "file:";
	struct flow_log_options *f = &o->flow_log;

	/* What cannot be is none, to whoever looks for what else is wrong. */
	f->path = NULL;
	f->kind = FLOW_SINK_NONE;
	if (strcmp(value, "stdout") == 0)
		f->kind = FLOW_SINK_STREAM;
	else if (strcmp(value, "syslog") == 0)
		f->kind = FLOW_SINK_SYSLOG;
	else if (strcmp(value, "journald") == 0)
		f->kind = FLOW_SINK_JOURNAL;
	else if (strncmp(value, file, strlen(file)) == 0) {
		value += strlen(file);
		if (*value != '/' || !is_plain_text(value, FLOW_LOG_PATH_MAX))
			return false;
		f->kind = FLOW_SINK_FILE;
		f->path = value;
	} else
		return false;
	return true;
}

static bool
set_flow_log_keep(struct options *o, const char *value)
{
	long n;

	if (!parse_number(value, 1, FLOW_LOG_KEEP_MAX, &n))
		return false;
	o->flow_log.keep = (unsigned)n;
	return true;
}

static bool
set_flow_log_size(struct options *o, const char *value)
{
	long n;

	if (!parse_number(value, 0, FLOW_LOG_MIB_MAX, &n))
		return false;
	o->flow_log.bytes_max = (uint64_t)n << 20;
	return true;
}

static bool
set_flow_log_time(struct options *o, const char *value)
{
	uint64_t ms;

	if (!options_parse_duration(value, &ms))
		return false;
	o->flow_log.every_s = ms / 1000;
	return true;
}

static bool
set_health(struct options *o, const char *value)
{
	return endpoint_parse(value, &o->health);
}

/* Addresses with ports, by commas; empty: none. */
static bool
set_probe(struct options *o, const char *value)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint *server;

	o->probe_count = 0;
	while (*value != '\0') {
		const size_t len = strcspn(value, ",");

		if (len >= sizeof(text) || o->probe_count == PROBES_MAX)
			return false;
		memcpy(text, value, len);
		text[len] = '\0';
		server = &o->probe[o->probe_count++];
		if (!endpoint_parse(text, server) || server->port == 0)
			return false;
		value += len;
		if (*value == ',' && *++value == '\0')
			return false;
	}
	return true;
}

static bool
set_probe_interval(struct options *o, const char *value)
{
	return options_parse_duration(value, &o->probe_interval_ms) &&
	    o->probe_interval_ms >= PROBE_INTERVAL_MIN_MS &&
	    o->probe_interval_ms <= PROBE_INTERVAL_MAX_MS;
}

static bool
set_metrics_series(struct options *o, const char *value)
{
	long n;

	if (!parse_number(value, 0, SERIES_MAX, &n))
		return false;
	o->metrics_series = (uint8_t)n;
	return true;
}

static bool
set_threads(struct options *o, const char *value)
{
	long n;

	if (!parse_number(value, 1, THREADS_MAX, &n))
		return false;
	o->threads = (unsigned)n;
	return true;
}

static bool
set_receive_bytes(struct options *o, const char *value)
{
	long n;

	if (!parse_number(value, 1, INT_MAX, &n))
		return false;
	o->udp_receive_bytes = (int)n;
	return true;
}

static bool
set_send_bytes(struct options *o, const char *value)
{
	long n;

	if (!parse_number(value, 1, INT_MAX, &n))
		return false;
	o->udp_send_bytes = (int)n;
	return true;
}

#define SWITCH(field)                                             \
	static bool set_##field(struct options *o, const char *v) \
	{                                                         \
		return parse_bool(v, &o->field);                  \
	}
SWITCH(check)
SWITCH(print_config)
SWITCH(no_check)
SWITCH(no_inc_buf)
SWITCH(no_masquerade)
SWITCH(expose_host)
SWITCH(log_denied)
SWITCH(metrics_names)
SWITCH(flow_logs)
SWITCH(probe_needed)
SWITCH(withdraw)
SWITCH(no_names)

/* Options whose feature is not there are checked all the same. */

static bool
check_bool(struct options *o, const char *value)
{
	bool ignored;

	(void)o;
	return parse_bool(value, &ignored);
}

static bool
check_exporter(struct options *o, const char *value)
{
	(void)o;
	return strcmp(value, "stdout") == 0 ||
	    strcmp(value, "otel-collector") == 0 ||
	    strcmp(value, "sentry") == 0;
}

static bool
check_text(struct options *o, const char *value)
{
	(void)o;
	return *value != '\0';
}

static const char boolean[] = "true or false";
static const char short_text[] = "at most 255 bytes of text";

const struct setting option_table[] = {
	{
	    .flag = "api-url",
	    .variable = "FIREZONE_API_URL",
	    .letter = 'u',
	    .set = set_api_url,
	    .wanted = "a URL such as wss://api.firezone.dev",
	    .initial = "wss://api.firezone.dev",
	    .argument = "URL",
	    .help = "portal",
	},
	{
	    .flag = "ca-file",
	    .variable = "POSTERN_CA_FILE",
	    .set = set_ca_file,
	    .wanted = "a file name",
	    .initial = "/etc/ssl/certs/ca-certificates.crt",
	    .argument = "FILE",
	    .help = "trusted certificates",
	    .otherwise = "the system's",
	},
	{
	    .flag = "check",
	    .is_switch = true,
	    .not_in_file = true,
	    .set = set_check,
	    .wanted = boolean,
	    .help = "say what is wrong, and do not start",
	},
	{
	    .flag = "config",
	    .variable = "POSTERN_CONFIG",
	    .letter = 'f',
	    .not_in_file = true,
	    .set = set_config,
	    .wanted = "a file name",
	    .initial = OPTIONS_FILE,
	    .argument = "FILE",
	    .help = "of options",
	},
	{
	    .flag = "ctl-socket",
	    .variable = "POSTERN_CTL_SOCKET",
	    .set = set_ctl_socket,
	    .wanted = "a file name",
	    .initial = CTL_SOCKET,
	    .argument = "FILE",
	    .help = "for posternctl",
	},
	{
	    .flag = "expose-host",
	    .variable = "POSTERN_EXPOSE_HOST",
	    .is_switch = true,
	    .set = set_expose_host,
	    .wanted = boolean,
	    .help = "clients may reach this host itself",
	},
	{
	    .flag = "firezone-id",
	    .variable = "FIREZONE_ID",
	    .letter = 'i',
	    .set = set_id,
	    .wanted = short_text,
	    .argument = "ID",
	    .help = "identity",
	    .otherwise = "derived",
	},
	{
	    .flag = "firezone-name",
	    .variable = "FIREZONE_NAME",
	    .letter = 'n',
	    .set = set_name,
	    .wanted = short_text,
	    .argument = "NAME",
	    .help = "name shown in the portal",
	    .otherwise = "that of the host",
	},
	{
	    .flag = "flow-log",
	    .variable = "POSTERN_FLOW_LOG",
	    .set = set_flow_log,
	    .wanted = "file: with an absolute path, stdout, syslog or journald",
	    .argument = "WHERE",
	    .help = "flows: file:PATH, stdout, syslog or journald",
	},
	{
	    .flag = "flow-log-keep",
	    .variable = "POSTERN_FLOW_LOG_KEEP",
	    .set = set_flow_log_keep,
	    .wanted = "a number from 1 to 999",
	    .initial = "7",
	    .argument = "N",
	    .help = "files beside the one written",
	},
	{
	    .flag = "flow-log-size",
	    .variable = "POSTERN_FLOW_LOG_SIZE",
	    .set = set_flow_log_size,
	    .wanted = "a number of MiB",
	    .initial = "100",
	    .argument = "N",
	    .help = "MiB of a file until it is renamed",
	},
	{
	    .flag = "flow-log-time",
	    .variable = "POSTERN_FLOW_LOG_TIME",
	    .set = set_flow_log_time,
	    .wanted = "a duration such as 1h or 1d",
	    .argument = "T",
	    .help = "age of a file until it is renamed",
	},
	{
	    .flag = "flow-logs",
	    .variable = "FIREZONE_FLOW_LOGS",
	    .is_switch = true,
	    .set = set_flow_logs,
	    .wanted = boolean,
	    .help = "log each flow that begins or ends",
	},
	{
	    .flag = "health-check-addr",
	    .variable = "HEALTH_CHECK_ADDR",
	    .set = set_health,
	    .wanted = "an address such as 0.0.0.0:8080",
	    .initial = "0.0.0.0:8080",
	    .argument = "A",
	    .help = "health and metrics",
	},
	{
	    .flag = "log-denied",
	    .variable = "POSTERN_LOG_DENIED",
	    .is_switch = true,
	    .set = set_log_denied,
	    .wanted = boolean,
	    .help = "log packets that are refused",
	},
	{
	    .flag = "log-format",
	    .variable = "FIREZONE_LOG_FORMAT",
	    .set = set_log_format,
	    .wanted = "human or json",
	    .initial = "human",
	    .argument = "FORMAT",
	    .help = "human or json",
	},
	{
	    .flag = "log-level",
	    .variable = "RUST_LOG",
	    .lenient = true,
	    .set = set_log_level,
	    .wanted = "error, warn, info, debug or trace",
	    .initial = "info",
	    .argument = "LEVEL",
	    .help = "error, warn, info, debug or trace",
	},
	{
	    .flag = "max-partition-time",
	    .variable = "FIREZONE_MAX_PARTITION_TIME",
	    .letter = 'm',
	    .set = set_max_partition,
	    .wanted = "a duration such as 5m, 1h or 30d",
	    .initial = "24h",
	    .argument = "T",
	    .help = "end after this long without portal",
	},
	{
	    .flag = "metrics",
	    .variable = "FIREZONE_METRICS",
	    .later = true,
	    .set = check_exporter,
	    .wanted = "stdout, otel-collector or sentry",
	    .argument = "EXPORTER",
	},
	{
	    .flag = "metrics-names",
	    .variable = "POSTERN_METRICS_NAMES",
	    .is_switch = true,
	    .set = set_metrics_names,
	    .wanted = boolean,
	    .help = "metrics name these",
	},
	{
	    .flag = "metrics-series",
	    .variable = "POSTERN_METRICS_SERIES",
	    .set = set_metrics_series,
	    .wanted = "a number from 0 to 127",
	    .initial = "50",
	    .argument = "N",
	    .help = "clients and resources counted each",
	},
	{
	    .flag = "no-check",
	    .is_switch = true,
	    .set = set_no_check,
	    .wanted = boolean,
	    .help = "skip the test of privileges",
	},
	{
	    .flag = "no-inc-buf",
	    .variable = "FIREZONE_NO_INC_BUF",
	    .is_switch = true,
	    .set = set_no_inc_buf,
	    .wanted = boolean,
	    .help = "leave net.core.*mem_max alone",
	},
	{
	    .flag = "no-masquerade",
	    .variable = "POSTERN_NO_MASQUERADE",
	    .is_switch = true,
	    .set = set_no_masquerade,
	    .wanted = boolean,
	    .help = "leave NAT to the administrator",
	},
	{
	    .flag = "no-names",
	    .variable = "POSTERN_NO_NAMES",
	    .is_switch = true,
	    .set = set_no_names,
	    .wanted = boolean,
	    .help = "do not keep names of clients",
	},
	/* Nothing is reported to anybody, so nothing to switch off. */
	{
	    .flag = "no-telemetry",
	    .variable = "FIREZONE_NO_TELEMETRY",
	    .is_switch = true,
	    .set = check_bool,
	    .wanted = boolean,
	},
	{
	    .flag = "otlp-grpc-endpoint",
	    .variable = "OTLP_GRPC_ENDPOINT",
	    .later = true,
	    .set = check_text,
	    .wanted = "host:port",
	    .argument = "ENDPOINT",
	},
	{
	    .flag = "portal-generation",
	    .variable = "POSTERN_PORTAL_GENERATION",
	    .set = set_portal_generation,
	    .wanted = "auto, 1, 2 or 3",
	    .initial = "auto",
	    .argument = "G",
	    .help = "of its protocol: auto, 1, 2 or 3",
	},
	{
	    .flag = "print-config",
	    .is_switch = true,
	    .not_in_file = true,
	    .set = set_print_config,
	    .wanted = boolean,
	    .help = "show what holds, and do not start",
	},
	{
	    .flag = "probe",
	    .variable = "POSTERN_PROBE",
	    .set = set_probe,
	    .wanted = "at most 16 of ADDRESS:PORT, with commas between",
	    .argument = "SERVERS",
	    .help = "of the site, whether they answer",
	    .otherwise = "none",
	},
	{
	    .flag = "probe-interval",
	    .variable = "POSTERN_PROBE_INTERVAL",
	    .set = set_probe_interval,
	    .wanted = "a duration from 10s to 1h",
	    .initial = "30s",
	    .argument = "T",
	    .help = "from one attempt to the next",
	},
	{
	    .flag = "probe-needed",
	    .variable = "POSTERN_PROBE_NEEDED",
	    .is_switch = true,
	    .set = set_probe_needed,
	    .wanted = boolean,
	    .help = "not ready while one does not answer",
	},
	{
	    .flag = "state-dir",
	    .variable = "POSTERN_STATE_DIR",
	    .set = set_state_dir,
	    .wanted = "a directory",
	    .initial = STATE_DIR,
	    .argument = "DIRECTORY",
	    .help = "for flow logs that wait",
	},
	{
	    .flag = "threads",
	    .variable = "POSTERN_THREADS",
	    .set = set_threads,
	    .wanted = "a number from 1 to 8",
	    .argument = "N",
	    .help = "that carry data",
	    .otherwise = "one for each processor",
	},
	{
	    .flag = "token-file",
	    .variable = "POSTERN_TOKEN_FILE",
	    .set = set_token_file,
	    .wanted = "the absolute name of a file",
	    .argument = "FILE",
	    .help = "that holds the token",
	},
	{
	    .flag = "udp-recv-buffer-size",
	    .variable = "FIREZONE_UDP_RECV_BUFFER_SIZE",
	    .set = set_receive_bytes,
	    .wanted = "a number of bytes",
	    .argument = "BYTES",
	    .help = "of the UDP sockets",
	    .otherwise = "16 MiB",
	},
	{
	    .flag = "udp-send-buffer-size",
	    .variable = "FIREZONE_UDP_SEND_BUFFER_SIZE",
	    .set = set_send_bytes,
	    .wanted = "a number of bytes",
	    .argument = "BYTES",
	    .help = "of the UDP sockets",
	    .otherwise = "2 MiB",
	},
	{
	    .flag = "validate-checksums",
	    .variable = "FIREZONE_VALIDATE_CHECKSUMS",
	    .is_switch = true,
	    .later = true,
	    .set = check_bool,
	    .wanted = boolean,
	},
	{
	    .flag = "withdraw",
	    .variable = "POSTERN_WITHDRAW",
	    .is_switch = true,
	    .set = set_withdraw,
	    .wanted = boolean,
	    .help = "tell clients what --probe finds silent",
	},
};

const size_t option_table_rows = sizeof(option_table) / sizeof(*option_table);
static_assert(sizeof(option_table) / sizeof(*option_table) <= OPTIONS_MAX,
    "OPTIONS_MAX is too small");

size_t
option_row(const char *flag)
{
	size_t i = 0;

	while (strcmp(option_table[i].flag, flag) != 0)
		i++;
	return i;
}
