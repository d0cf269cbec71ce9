/* The command line and the environment: see options.h. */
#include "parent/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/address.h"
#include "parent/spool.h"

#define THREADS_MAX 8
#define TEXT_MAX    255 /* the portal's bound for name and id */
#define URL_MAX     2048

extern char **environ;

/*
 * One option: a flag, a variable or both. set() returns false when the value
 * cannot be; then wanted says what could.
 */
struct setting {
	const char *flag;     /* NULL: environment only */
	const char *variable; /* NULL: command line only */
	bool (*set)(struct options *, const char *value);
	const char *wanted;
	char letter;
	bool is_switch; /* the flag takes no value, the variable a boolean */
	bool later;     /* has no effect in this version */
};

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
	const char *host = strstr(value, "://");

	o->api_url = value;
	return is_plain_text(value, URL_MAX) && host != NULL && host > value &&
	    host[3] != '\0';
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
set_health(struct options *o, const char *value)
{
	return endpoint_parse(value, &o->health);
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
SWITCH(no_check)
SWITCH(no_inc_buf)
SWITCH(no_masquerade)
SWITCH(expose_host)
SWITCH(log_denied)
SWITCH(flow_logs)

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

static const struct setting settings[] = {
	{ "api-url", "FIREZONE_API_URL", set_api_url,
	    "a URL such as wss://api.firezone.dev", 'u', false, false },
	{ "firezone-name", "FIREZONE_NAME", set_name, short_text, 'n', false,
	    false },
	{ "firezone-id", "FIREZONE_ID", set_id, short_text, 'i', false, false },
	{ "max-partition-time", "FIREZONE_MAX_PARTITION_TIME",
	    set_max_partition, "a duration such as 5m, 1h or 30d", 'm', false,
	    false },
	{ "portal-generation", "POSTERN_PORTAL_GENERATION",
	    set_portal_generation, "auto, 1, 2 or 3", 0, false, false },
	{ "log-format", "FIREZONE_LOG_FORMAT", set_log_format, "human or json",
	    0, false, false },
	{ "no-check", NULL, set_no_check, boolean, 0, true, false },
	{ "no-inc-buf", "FIREZONE_NO_INC_BUF", set_no_inc_buf, boolean, 0, true,
	    false },
	{ "no-masquerade", "POSTERN_NO_MASQUERADE", set_no_masquerade, boolean,
	    0, true, false },
	{ "expose-host", "POSTERN_EXPOSE_HOST", set_expose_host, boolean, 0,
	    true, false },
	{ "log-denied", "POSTERN_LOG_DENIED", set_log_denied, boolean, 0, true,
	    false },
	{ "ca-file", "POSTERN_CA_FILE", set_ca_file, "a file name", 0, false,
	    false },
	{ "threads", "POSTERN_THREADS", set_threads, "a number from 1 to 8", 0,
	    false, false },
	{ NULL, "FIREZONE_UDP_RECV_BUFFER_SIZE", set_receive_bytes,
	    "a number of bytes", 0, false, false },
	{ NULL, "FIREZONE_UDP_SEND_BUFFER_SIZE", set_send_bytes,
	    "a number of bytes", 0, false, false },
	/* Nothing is reported to anybody, so there is nothing to switch off. */
	{ "no-telemetry", "FIREZONE_NO_TELEMETRY", check_bool, boolean, 0, true,
	    false },
	{ "flow-logs", "FIREZONE_FLOW_LOGS", set_flow_logs, boolean, 0, true,
	    false },
	{ "health-check-addr", "HEALTH_CHECK_ADDR", set_health,
	    "an address such as 0.0.0.0:8080", 0, false, false },
	{ "ctl-socket", "POSTERN_CTL_SOCKET", set_ctl_socket, "a file name", 0,
	    false, false },
	{ "state-dir", "POSTERN_STATE_DIR", set_state_dir, "a directory", 0,
	    false, false },
	{ "metrics", "FIREZONE_METRICS", check_exporter,
	    "stdout, otel-collector or sentry", 0, false, true },
	{ "otlp-grpc-endpoint", "OTLP_GRPC_ENDPOINT", check_text, "host:port",
	    0, false, true },
	{ "validate-checksums", "FIREZONE_VALIDATE_CHECKSUMS", check_bool,
	    boolean, 0, true, true },
};

#define SETTINGS (sizeof(settings) / sizeof(*settings))
/* Values of getopt_long() beside the indices of settings. */
#define OPTION_HELP    1000
#define OPTION_VERSION 1001

static void
note_ineffective(struct options *o, const char *name)
{
	if (o->ineffective_count <
	    sizeof(o->ineffective) / sizeof(*o->ineffective))
		o->ineffective[o->ineffective_count++] = name;
}

static bool
apply_setting(struct options *o, const struct setting *s, bool is_flag,
    const char *value, char *why, size_t why_size)
{
	const char *name = is_flag ? s->flag : s->variable;
	bool is_off = s->is_switch && strcmp(value, "false") == 0;

	if (!s->set(o, value)) {
		snprintf(why, why_size, "%s%s must be %s", is_flag ? "--" : "",
		    name, s->wanted);
		return false;
	}
	if (s->later && !is_off)
		note_ineffective(o, name);
	return true;
}

static void
print_help(void)
{
	printf(
	    "usage: posternd [options] [token]\n"
	    "\n"
	    "  -u, --api-url URL            portal (wss://api.firezone.dev)\n"
	    "  -n, --firezone-name NAME     name shown in the portal\n"
	    "  -i, --firezone-id ID         identity (derived)\n"
	    "  -m, --max-partition-time T   end after this long without "
	    "portal (1d)\n"
	    "      --ca-file FILE           trusted certificates\n"
	    "      --ctl-socket FILE        for posternctl "
	    "(/run/postern/postern.sock)\n"
	    "      --expose-host            clients may reach this host "
	    "itself\n"
	    "      --flow-logs              log each flow that begins or "
	    "ends\n"
	    "      --health-check-addr A    health and metrics "
	    "(0.0.0.0:8080)\n"
	    "      --log-denied             log packets that are refused\n"
	    "      --log-format FORMAT      human or json\n"
	    "      --no-check               skip the test of privileges\n"
	    "      --no-inc-buf             leave net.core.*mem_max alone\n"
	    "      --no-masquerade          leave NAT to the administrator\n"
	    "      --portal-generation G    of its protocol: auto, 1, 2 or 3 "
	    "(auto)\n"
	    "      --state-dir DIRECTORY    for flow logs that wait "
	    "(/var/lib/firezone)\n"
	    "      --threads N              that carry data (one for each "
	    "processor)\n"
	    "  -h, --help\n"
	    "  -V, --version\n"
	    "\n"
	    "The token is better given by FIREZONE_TOKEN or as a systemd "
	    "credential.\n"
	    "See posternd(8) for the rest.\n");
}

static void
make_getopt_tables(struct option *longs, char *shorts)
{
	size_t n = 0;

	*shorts++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < SETTINGS; i++) {
		if (settings[i].flag == NULL)
			continue;
		longs[n++] = (struct option){
			.name = settings[i].flag,
			.has_arg = settings[i].is_switch ? no_argument
							 : required_argument,
			.val = OPTION_VERSION + 1 + (int)i,
		};
		if (settings[i].letter != 0) {
			*shorts++ = settings[i].letter;
			*shorts++ = ':';
		}
	}
	longs[n++] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	longs[n++] =
	    (struct option){ "version", no_argument, NULL, OPTION_VERSION };
	longs[n] = (struct option){ 0 };
	memcpy(shorts, "hV", sizeof("hV"));
}

/* The setting that getopt_long()'s value stands for, or NULL. */
static const struct setting *
setting_of(int value)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (value == OPTION_VERSION + 1 + (int)i ||
		    (settings[i].letter != 0 && value == settings[i].letter))
			return &settings[i];
	return NULL;
}

static enum options_result
parse_arguments(struct options *o, int argc, char **argv, bool *given,
    char *why, size_t why_size)
{
	struct option longs[SETTINGS + 3];
	char shorts[2 * SETTINGS + 4];
	int value;

	make_getopt_tables(longs, shorts);
	optind = 0; /* from the start, also when called again */
	opterr = 0;
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct setting *s = setting_of(value);

		if (value == OPTION_HELP || value == 'h') {
			print_help();
			return OPTIONS_DONE;
		}
		if (value == OPTION_VERSION || value == 'V') {
			printf("posternd " POSTERN_VERSION
			       " (gateway protocol " GATEWAY_GENERATION ")\n");
			return OPTIONS_DONE;
		}
		if (s == NULL) {
			snprintf(why, why_size,
			    value == ':' ? "%s needs a value"
					 : "unknown option %s",
			    argv[optind - 1]);
			return OPTIONS_WRONG;
		}
		if (!apply_setting(o, s, true, s->is_switch ? "true" : optarg,
			why, why_size))
			return OPTIONS_WRONG;
		given[s - settings] = true;
	}
	if (argc - optind > 1) {
		snprintf(why, why_size,
		    "only one argument, the token, is "
		    "expected");
		return OPTIONS_WRONG;
	}
	o->token_argument = optind < argc ? argv[optind] : NULL;
	return OPTIONS_RUN;
}

/* A variable counts only where no flag was given. */
static bool
parse_environment(
    struct options *o, const bool *given, char *why, size_t why_size)
{
	const char *value;

	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];

		if (given[i] || s->variable == NULL ||
		    (value = getenv(s->variable)) == NULL)
			continue;
		if (!apply_setting(o, s, false, value, why, why_size))
			return false;
	}
	if ((value = getenv("RUST_LOG")) != NULL)
		(void)options_parse_directives(value, &o->log_level);
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		if (strncmp(*e, "FZFF_", 5) == 0) {
			note_ineffective(o, "FZFF_*");
			break;
		}
	}
	return true;
}

/* That we may run on. */
static unsigned
processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == -1)
		return THREADS_MAX;
	return CPU_COUNT(&set) < THREADS_MAX ? (unsigned)CPU_COUNT(&set)
					     : THREADS_MAX;
}

enum options_result
options_parse(
    struct options *o, int argc, char **argv, char *why, size_t why_size)
{
	bool given[SETTINGS] = { false };
	enum options_result r;

	*o = (struct options){
		.api_url = "wss://api.firezone.dev",
		.ca_file = "/etc/ssl/certs/ca-certificates.crt",
		.ctl_socket = "/run/postern/postern.sock",
		.state_dir = STATE_DIR,
		.health = { ip_v4(0, 0, 0, 0), 8080 },
		.threads = processors(),
		.max_partition_ms = UINT64_C(24) * 60 * 60 * 1000,
		.log_level = LOG_LEVEL_INFO,
		.log_format = LOG_FORMAT_HUMAN,
	};
	r = parse_arguments(o, argc, argv, given, why, why_size);
	if (r == OPTIONS_RUN && !parse_environment(o, given, why, why_size))
		r = OPTIONS_WRONG;
	return r;
}

bool
options_parse_directives(const char *text, enum log_level *level)
{
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		char word[8];

		if (len < sizeof(word)) {
			for (size_t i = 0; i < len; i++)
				word[i] = text[i] >= 'A' && text[i] <= 'Z'
				    ? (char)(text[i] + ('a' - 'A'))
				    : text[i];
			word[len] = '\0';
			if (log_parse_level(word, level))
				return true;
		}
		text += len;
		if (*text == ',')
			text++;
	}
	return false;
}
