/* parent/options.c, duration.c, token.c: flags, variables, the token. */
#include "parent/option_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct options o;
static struct problems problems;
static char why[PROBLEM_TEXT_MAX];

/* Parses words separated by '|', with variables "A=b" as given. */
static enum options_result
parse_with(const char *line, const char *const *variables)
{
	static char words[8192], program[] = "posternd";
	char *argv[32] = { program };
	int argc = 1;
	enum options_result r;

	clearenv();
	/* Not that of the machine. */
	assert_int_equal(setenv("POSTERN_CONFIG", "", 1), 0);
	for (; variables != NULL && *variables != NULL; variables++)
		assert_int_equal(putenv((char *)(uintptr_t)*variables), 0);
	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok(words, "|"); w != NULL; w = strtok(NULL, "|"))
		argv[argc++] = w;
	r = options_parse(&o, argc, argv, &problems);
	assert_int_equal(r == OPTIONS_WRONG, problems.count > 0);
	snprintf(
	    why, sizeof(why), "%s", problems.count > 0 ? problems.text[0] : "");
	return r;
}

static enum options_result
parse(const char *line)
{
	return parse_with(line, NULL);
}

static enum options_result
parse_variable(const char *variable)
{
	static char copy[8192];
	const char *const variables[] = { copy, NULL };

	snprintf(copy, sizeof(copy), "%s", variable);
	return parse_with("", variables);
}

static void
defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), OPTIONS_RUN);
	assert_string_equal(o.api_url, "wss://api.firezone.dev");
	assert_string_equal(o.ca_file, "/etc/ssl/certs/ca-certificates.crt");
	assert_null(o.name);
	assert_null(o.id);
	assert_null(o.token);
	assert_null(o.token_argument);
	assert_int_equal(o.max_partition_ms, 86400000);
	assert_int_equal(o.portal_generation, 0);
	assert_true(o.threads >= 1 && o.threads <= 8);
	assert_int_equal(o.metrics_series, 50);
	assert_int_equal(o.flow_log.kind, FLOW_SINK_NONE);
	assert_int_equal(o.flow_log.bytes_max, 100 << 20);
	assert_int_equal(o.flow_log.every_s, 0);
	assert_int_equal(o.flow_log.keep, 7);
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_int_equal(o.log_format, LOG_FORMAT_HUMAN);
	assert_false(o.no_check || o.no_inc_buf || o.no_masquerade ||
	    o.expose_host || o.no_names);
	assert_false(o.flow_logs);
	assert_string_equal(o.state_dir, "/var/lib/firezone");
	assert_int_equal(o.health.port, 8080);
	assert_int_equal(o.udp_receive_bytes, 0);
	assert_int_equal(o.ineffective_count, 0);
}

/* What every row of the table has to be. */
static void
table_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_table_rows; i++) {
		const struct setting *s = &option_table[i];
		struct options any = { 0 };

		assert_non_null(s->set);
		assert_non_null(s->wanted);
		if (i > 0 && strcmp(option_table[i - 1].flag, s->flag) >= 0)
			fail_msg("not in order: %s", s->flag);
		if (s->is_switch != (s->argument == NULL))
			fail_msg("a switch or with a value: %s", s->flag);
		if (s->initial != NULL && !s->set(&any, s->initial))
			fail_msg("its default cannot be: %s", s->flag);
		for (size_t j = 0; j < i; j++)
			assert_true(s->letter == 0 ||
			    s->letter != option_table[j].letter);
	}
}

static void
help_fits_a_screen(void **state)
{
	char line[256];
	size_t lines = 0;
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);

	(void)state;
	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) != -1);
	assert_int_equal(parse("--help"), OPTIONS_DONE);
	fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) != -1);
	close(before);
	rewind(file);
	for (; fgets(line, sizeof(line), file) != NULL; lines++)
		if (strcspn(line, "\n") > 80)
			fail_msg("too wide: %s", line);
	fclose(file);
	assert_true(lines > 20);
}

static void
every_flag(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("-u|ws://localhost:8080/base|--firezone-name=a b|"
		  "-i|me|-m5m|--log-format|json|--no-check|"
		  "--no-inc-buf|--no-masquerade|--no-names|--expose-host|"
		  "--ca-file=/x|--threads=8|--metrics-series=0|--no-telemetry|"
		  "--flow-log=file:/f|--flow-log-size=2|--flow-log-time=1h|"
		  "--flow-log-keep=3|"
		  "--flow-logs|--state-dir=/s|--portal-generation=2|"
		  "--udp-recv-buffer-size=1|--udp-send-buffer-size=2|"
		  ".SFMyNTY.g2g"),
	    OPTIONS_RUN);
	assert_string_equal(o.api_url, "ws://localhost:8080/base");
	assert_string_equal(o.name, "a b");
	assert_string_equal(o.id, "me");
	assert_int_equal(o.max_partition_ms, 300000);
	assert_int_equal(o.portal_generation, 2);
	assert_int_equal(o.log_format, LOG_FORMAT_JSON);
	assert_true(o.no_check && o.no_inc_buf && o.no_masquerade &&
	    o.expose_host && o.no_names);
	assert_string_equal(o.ca_file, "/x");
	assert_string_equal(o.state_dir, "/s");
	assert_true(o.flow_logs);
	assert_int_equal(o.threads, 8);
	assert_int_equal(o.udp_receive_bytes, 1);
	assert_int_equal(o.udp_send_bytes, 2);
	assert_int_equal(o.metrics_series, 0);
	assert_int_equal(o.flow_log.kind, FLOW_SINK_FILE);
	assert_string_equal(o.flow_log.path, "/f");
	assert_int_equal(o.flow_log.bytes_max, 2 << 20);
	assert_int_equal(o.flow_log.every_s, 3600);
	assert_int_equal(o.flow_log.keep, 3);
	assert_string_equal(o.token_argument, ".SFMyNTY.g2g");
	assert_int_equal(o.ineffective_count, 0);
}

static void
every_generation(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		char line[64];

		snprintf(line, sizeof(line), "--portal-generation=%u", i);
		assert_int_equal(parse(line), OPTIONS_RUN);
		assert_int_equal(o.portal_generation, i);
	}
	assert_int_equal(parse("--portal-generation=auto"), OPTIONS_RUN);
	assert_int_equal(o.portal_generation, 0);
}

static void
servers_to_probe(void **state)
{
	char line[64 * PROBES_MAX] = "--probe=";

	(void)state;
	assert_int_equal(parse(""), OPTIONS_RUN);
	assert_int_equal(o.probe_count, 0);
	assert_int_equal(o.probe_interval_ms, 30000);
	assert_int_equal(parse("--probe=10.0.0.1:80,[fd20::1]:443|"
			       "--probe-interval=10s|--probe-needed"),
	    OPTIONS_RUN);
	assert_int_equal(o.probe_count, 2);
	assert_int_equal(o.probe[0].port, 80);
	assert_int_equal(o.probe[1].ip.family, IP_V6);
	assert_int_equal(o.probe[1].port, 443);
	assert_int_equal(o.probe_interval_ms, 10000);
	assert_true(o.probe_needed);
	assert_false(o.withdraw);
	assert_int_equal(parse("--withdraw"), OPTIONS_RUN);
	assert_true(o.withdraw);
	assert_int_equal(parse("--withdraw=maybe"), OPTIONS_WRONG);
	for (size_t i = 0; i < PROBES_MAX; i++)
		strcat(line, i == 0 ? "10.0.0.1:1" : ",10.0.0.1:1");
	assert_int_equal(parse(line), OPTIONS_RUN);
	assert_int_equal(o.probe_count, PROBES_MAX);
	strcat(line, ",10.0.0.1:1");
	assert_int_equal(parse(line), OPTIONS_WRONG);
}

static void
names_in_metrics(void **state)
{
	(void)state;
	assert_int_equal(parse(""), OPTIONS_RUN);
	assert_false(o.metrics_names);
	assert_int_equal(parse("--metrics-names"), OPTIONS_RUN);
	assert_true(o.metrics_names);
	assert_int_equal(parse("--metrics-names=jane"), OPTIONS_WRONG);
}

static void
every_variable(void **state)
{
	static const char *const variables[] = {
		"FIREZONE_API_URL=https://portal.example",
		"FIREZONE_NAME=gw",
		"FIREZONE_ID=id",
		"FIREZONE_NO_TELEMETRY=true",
		"FIREZONE_LOG_FORMAT=json",
		"FIREZONE_FLOW_LOGS=true",
		"FIREZONE_NO_INC_BUF=true",
		"FIREZONE_MAX_PARTITION_TIME=1h",
		"HEALTH_CHECK_ADDR=127.0.0.1:1",
		"FIREZONE_METRICS=otel-collector",
		"OTLP_GRPC_ENDPOINT=h:4317",
		"FIREZONE_VALIDATE_CHECKSUMS=false",
		"FIREZONE_UDP_SEND_BUFFER_SIZE=4096",
		"FIREZONE_UDP_RECV_BUFFER_SIZE=8192",
		"POSTERN_CTL_SOCKET=/tmp/ctl",
		"POSTERN_EXPOSE_HOST=true",
		"POSTERN_STATE_DIR=/srv/state",
		"POSTERN_PORTAL_GENERATION=2",
		"POSTERN_NO_MASQUERADE=false",
		"FZFF_STREAM_METRICS=true",
		"FZFF_STREAM_LOGS=true",
		"RUST_LOG=hyper=trace,debug",
		NULL,
	};

	(void)state;
	assert_int_equal(parse_with("", variables), OPTIONS_RUN);
	assert_string_equal(o.api_url, "https://portal.example");
	assert_string_equal(o.name, "gw");
	assert_string_equal(o.id, "id");
	assert_int_equal(o.log_format, LOG_FORMAT_JSON);
	assert_true(o.no_inc_buf && o.expose_host);
	assert_false(o.no_masquerade);
	assert_int_equal(o.max_partition_ms, 3600000);
	assert_int_equal(o.portal_generation, 2);
	assert_int_equal(o.udp_send_bytes, 4096);
	assert_int_equal(o.udp_receive_bytes, 8192);
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(o.health.port, 1);
	assert_string_equal(o.ctl_socket, "/tmp/ctl");
	assert_true(o.flow_logs);
	assert_string_equal(o.state_dir, "/srv/state");
	/* Metrics, its endpoint, and the feature flags. */
	assert_int_equal(o.ineffective_count, 3);
	assert_string_equal(o.ineffective[2], "FZFF_*");
}

static void
flag_goes_before_variable(void **state)
{
	static const char *const variables[] = { "FIREZONE_NAME=variable",
		"FIREZONE_NO_INC_BUF=nonsense", NULL };

	(void)state;
	/* The variable is not even looked at, as in the reference. */
	assert_int_equal(
	    parse_with("-n|flag|--no-inc-buf", variables), OPTIONS_RUN);
	assert_string_equal(o.name, "flag");
	assert_true(o.no_inc_buf);
}

static void
empty_values(void **state)
{
	(void)state;
	assert_int_equal(parse_variable("FIREZONE_ID="), OPTIONS_RUN);
	assert_null(o.id);
	assert_int_equal(parse("--firezone-id="), OPTIONS_RUN);
	assert_null(o.id);
	assert_int_equal(parse_variable("FIREZONE_NAME="), OPTIONS_RUN);
	assert_null(o.name);
	assert_int_equal(parse_variable("FIREZONE_API_URL="), OPTIONS_WRONG);
}

/* RUST_LOG of the reference says more than we understand. */
static void
log_level_of_a_variable(void **state)
{
	(void)state;
	assert_int_equal(parse_variable("RUST_LOG=hyper=trace"), OPTIONS_RUN);
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_int_equal(parse("--log-level=trace"), OPTIONS_RUN);
	assert_int_equal(o.log_level, LOG_LEVEL_TRACE);
}

static void
all_problems_are_told(void **state)
{
	char line[400] = "";

	(void)state;
	assert_int_equal(parse("--threads=9|--bogus|-m|1|a|b"), OPTIONS_WRONG);
	assert_int_equal(problems.count, 4);
	assert_string_equal(
	    problems.text[0], "--threads must be a number from 1 to 8");
	assert_string_equal(problems.text[1], "unknown option --bogus");
	for (size_t i = 0; i < PROBLEMS_MAX + 4; i++)
		strcat(line, "--bogus|");
	assert_int_equal(parse(line), OPTIONS_WRONG);
	assert_int_equal(problems.count, PROBLEMS_MAX);
	assert_int_equal(problems.more, 4);
	assert_int_equal(parse("--bogus"), OPTIONS_WRONG);
	assert_int_equal(problems.more, 0);
}

static void
wrong_values(void **state)
{
	static const char *const lines[] = {
		"--bogus",
		"--check=true",
		"--print-config=true",
		"--config",
		"--log-level=loud",
		"--token-file=",
		"--token-file=.SFMyNTY.g2g",
		"-x",
		"--firezone-name",
		"-u",
		"-u|portal.example",
		"-u|://x",
		"-u|wss://",
		"-u|ftp://portal",
		"-u|wssx://portal",
		"-u|wss://a b",
		"-m|5",
		"--log-format=xml",
		"--flow-log=",
		"--flow-log=/f",
		"--flow-log=file:f",
		"--flow-log=file:",
		"--flow-log-size=-1",
		"--flow-log-time=soon",
		"--flow-log-keep=0",
		"--flow-log-keep=1000",
		"--metrics-series=128",
		"--metrics-series=-1",
		"--metrics-series=",
		"--threads=0",
		"--threads=9",
		"--threads=1x",
		"--threads=-1",
		"--no-check=true",
		"--portal-generation=0",
		"--portal-generation=4",
		"--portal-generation=",
		"--portal-generation=3x",
		"--probe=10.0.0.1",
		"--probe=10.0.0.1:0",
		"--probe=example.com:80",
		"--probe=10.0.0.1:80,",
		"--probe=,10.0.0.1:80",
		"--probe=10.0.0.1:80,10.0.0.2",
		"--probe-interval=9s",
		"--probe-interval=61m",
		"--health-check-addr=8080",
		"--metrics=none",
		"--otlp-grpc-endpoint=",
		"-n|a\nb",
		"-n|\x7f",
		"token|another",
	};
	static const char *const variables[] = {
		"POSTERN_TOKEN_FILE=",
		"FIREZONE_NO_TELEMETRY=1",
		"FIREZONE_NO_TELEMETRY=",
		"FIREZONE_FLOW_LOGS=yes",
		"FIREZONE_NO_INC_BUF=True",
		"FIREZONE_VALIDATE_CHECKSUMS=0",
		"POSTERN_EXPOSE_HOST=on",
		"FIREZONE_UDP_SEND_BUFFER_SIZE=0",
		"FIREZONE_UDP_RECV_BUFFER_SIZE=99999999999",
		"HEALTH_CHECK_ADDR=localhost:8080",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		if (parse(lines[i]) != OPTIONS_WRONG)
			fail_msg("accepted: %s", lines[i]);
		assert_true(strlen(why) > 0);
	}
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		if (parse_variable(variables[i]) != OPTIONS_WRONG)
			fail_msg("accepted: %s", variables[i]);
		assert_memory_equal(
		    why, variables[i], strcspn(variables[i], "="));
	}
}

static void
length_of_names(void **state)
{
	char line[300] = "-n|";

	(void)state;
	memset(line + 3, 'x', 256);
	assert_int_equal(parse(line), OPTIONS_WRONG);
	line[3 + 255] = '\0';
	assert_int_equal(parse(line), OPTIONS_RUN);
}

static void
durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "1ms", 1 },
		{ "1500us", 1 },
		{ "999999ns", 0 },
		{ "5m", 300000 },
		{ "5 min", 300000 },
		{ "1h", 3600000 },
		{ "1h 30m", 5400000 },
		{ "1h30m", 5400000 },
		{ "30d", UINT64_C(2592000000) },
		{ " 2weeks ", UINT64_C(1209600000) },
		{ "1M", UINT64_C(2630016000) },
		{ "1year", UINT64_C(31557600000) },
		{ "18446744073709551615ns", UINT64_C(18446744073709) },
	};
	static const char *const bad[] = { "", " ", "5", "m", "5q", "5m3",
		"-5m", "1.5h", "5mm", "5 m m", "18446744073709551616ns",
		"999999999999d", "584y 400d", "5secondsandmore", "5 " };
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!options_parse_duration(good[i].text, &ms))
			fail_msg("refused: %s", good[i].text);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (options_parse_duration(bad[i], &ms))
			fail_msg("accepted: %s", bad[i]);
}

static void
directives(void **state)
{
	static const struct {
		const char *text;
		int level; /* -1: none */
	} cases[] = {
		{ "", -1 },
		{ "debug", LOG_LEVEL_DEBUG },
		{ "WARN", LOG_LEVEL_WARN },
		{ "a=trace,b=debug", -1 },
		{ "a=trace,,error,debug", LOG_LEVEL_ERROR },
		{ "information", -1 },
		{ ",,", -1 },
		{ "wire::api=trace,info", LOG_LEVEL_INFO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum log_level level = LOG_LEVEL_TRACE;

		assert_int_equal(
		    options_parse_directives(cases[i].text, &level),
		    cases[i].level != -1);
		if (cases[i].level != -1)
			assert_int_equal(level, cases[i].level);
	}
}

static void
token_of_the_argument_is_wiped(void **state)
{
	static char secret[] = "FIREZONE_TOKEN=of-the-variable";
	static const char *const variables[] = { secret, NULL };

	(void)state;
	assert_int_equal(
	    parse_with(" .SFM yNTY.a_b-c\n", variables), OPTIONS_RUN);
	const char *argument = o.token_argument;
	assert_int_equal(options_take_token(&o, why, sizeof(why)), 0);
	assert_string_equal(o.token, ".SFMyNTY.a_b-c");
	assert_null(o.token_argument);
	for (size_t i = 0; i < strlen(" .SFM yNTY.a_b-c\n"); i++)
		assert_int_equal(argument[i], 0);
	/* Not used, but not left behind either. */
	assert_null(getenv("FIREZONE_TOKEN"));
	assert_string_equal(secret, "FIREZONE_TOKEN=");
	options_wipe_token(&o);
	assert_null(o.token);
	options_wipe_token(&o);
}

static void
token_of_the_variable_is_wiped(void **state)
{
	static char secret[] = "FIREZONE_TOKEN=of-the-variable";
	static const char *const variables[] = { secret, NULL };

	(void)state;
	assert_int_equal(parse_with("", variables), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), 0);
	assert_string_equal(o.token, "of-the-variable");
	assert_null(getenv("FIREZONE_TOKEN"));
	for (size_t i = strlen("FIREZONE_TOKEN="); i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
	options_wipe_token(&o);
}

static void
tokens_that_are_none(void **state)
{
	static char longest[TOKEN_MAX + 64] = "FIREZONE_TOKEN=";

	(void)state;
	/* Empty counts as set: the credential is not read, and that is told. */
	assert_int_equal(parse_variable("FIREZONE_TOKEN= \n"), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "is empty"));
	assert_non_null(strstr(why, "systemd credential"));

	assert_int_equal(parse_variable("FIREZONE_TOKEN=/a/b"), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "--token-file"));
	assert_int_equal(parse_variable("FIREZONE_TOKEN=a\001b"), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), -1);
	assert_null(strstr(why, "a\001b"));

	memset(longest + 15, 'x', TOKEN_MAX + 1);
	assert_int_equal(parse_variable(longest), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), -1);
	longest[15 + TOKEN_MAX] = '\0';
	assert_int_equal(parse_variable(longest), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), 0);
	assert_int_equal(strlen(o.token), TOKEN_MAX);
	options_wipe_token(&o);

	assert_int_equal(parse(""), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "FIREZONE_TOKEN"));
}

static void
token_of_the_credential(void **state)
{
	char directory[] = "/tmp/test_options.XXXXXX", variable[96], path[96];
	const char *const variables[] = { variable, NULL };
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(
	    variable, sizeof(variable), "CREDENTIALS_DIRECTORY=%s", directory);
	snprintf(path, sizeof(path), "%s/FIREZONE_TOKEN", directory);
	assert_int_equal(parse_with("", variables), OPTIONS_RUN);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), -1);
	assert_non_null(strstr(why, path));

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	assert_true(fd != -1);
	assert_int_equal(write(fd, "\tsecret\r\n", 9), 9);
	close(fd);
	assert_int_equal(options_take_token(&o, why, sizeof(why)), 0);
	assert_string_equal(o.token, "secret");
	options_wipe_token(&o);
	clearenv();
	unlink(path);
	rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(table_is_whole),
		cmocka_unit_test(help_fits_a_screen),
		cmocka_unit_test(every_flag),
		cmocka_unit_test(every_generation),
		cmocka_unit_test(names_in_metrics),
		cmocka_unit_test(servers_to_probe),
		cmocka_unit_test(every_variable),
		cmocka_unit_test(flag_goes_before_variable),
		cmocka_unit_test(empty_values),
		cmocka_unit_test(log_level_of_a_variable),
		cmocka_unit_test(all_problems_are_told),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(length_of_names),
		cmocka_unit_test(durations),
		cmocka_unit_test(directives),
		cmocka_unit_test(token_of_the_argument_is_wiped),
		cmocka_unit_test(token_of_the_variable_is_wiped),
		cmocka_unit_test(tokens_that_are_none),
		cmocka_unit_test(token_of_the_credential),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
