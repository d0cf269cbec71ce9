/*
 * The command line and the environment (posternd(8), Options): everything that
 * the reference accepts, with the same meaning, and our own.
 */
#ifndef PARENT_OPTIONS_H
#define PARENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/address.h"
#include "common/bounds.h"
#include "common/flow.h"
#include "common/log.h"
#include "parent/config_file.h"
#include "parent/problems.h"

#define OPTIONS_MAX        64
#define OPTIONS_FILE       "/etc/postern/posternd.conf"
#define GATEWAY_GENERATION "1.6.1" /* of the protocols, not our version */

/* The higher one counts. */
enum option_source {
	OPTION_DEFAULT,
	OPTION_FILE,
	OPTION_VARIABLE,
	OPTION_FLAG,
};

/* What was given for a row of the table of options. */
struct option_origin {
	enum option_source source;
	const char *text; /* NULL: the default */
};

#define FLOW_LOG_PATH_MAX 1000

/* Where lines about flows go, and when a file of them is renamed. */
struct flow_log_options {
	enum flow_sink_kind kind;
	const char *path;   /* of a file; NULL: the usual one of a socket */
	uint64_t bytes_max; /* 0: however large it is */
	uint64_t every_s;   /* 0: however old */
	unsigned keep;      /* beside the one that is written */
};

/*
 * Strings point into argv, the environment or config_text, and live as long as
 * those, except for the token, which is a copy.
 */
struct options {
	char *token;          /* see options_take_token() */
	char token_from[TOKEN_SOURCE_MAX + 1]; /* likewise, in a few words */
	char *token_argument; /* in argv, until it is taken */
	const char *token_file;  /* NULL: none */
	const char *config_file; /* "": none; else it has been read */
	bool check;              /* only say what is wrong */
	bool print_config;
	bool print_version; /* beyond the first line */
	const char *api_url;
	const char *name; /* NULL: derived */
	const char *id;   /* NULL: derived */
	const char *ca_file;
	const char *ctl_socket;
	const char *state_dir;  /* for what outlives a run */
	struct endpoint health; /* where to answer health checks */
	bool no_check;
	bool no_inc_buf;
	bool no_masquerade;
	bool expose_host;
	bool log_denied;
	bool flow_logs; /* to our log, too */
	struct endpoint probe[PROBES_MAX];
	size_t probe_count;
	uint64_t probe_interval_ms;
	bool probe_needed;
	bool withdraw; /* what it finds silent */
	bool no_names; /* of clients and resources */
	struct flow_log_options flow_log;
	unsigned threads;
	uint8_t metrics_series; /* clients and resources on their own */
	bool metrics_names;     /* and what they are called */
	uint64_t max_partition_ms;
	uint8_t portal_generation; /* 0: to be found out */
	int udp_receive_bytes; /* 0: the default */
	int udp_send_bytes;
	enum log_level log_level;
	enum log_format log_format;
	/* Accepted, but without effect in this version; to be told. */
	const char *ineffective[16];
	size_t ineffective_count;
	struct option_origin origin[OPTIONS_MAX];
	char config_text[CONFIG_MAX + 1];
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* what was asked for was printed: exit 0 */
	OPTIONS_WRONG, /* the problems say what: exit 2 */
};

/* The options are not to be moved afterwards: they point into themselves. */
enum options_result options_parse(
    struct options *, int argc, char **argv, struct problems *);

/*
 * Copies the token from argv, FIREZONE_TOKEN, the file named for it or the
 * systemd credential FIREZONE_TOKEN, without its white space, and wipes the
 * first two. The copy is in memory that is neither swapped out nor dumped: a
 * control-worker that is started again needs it. -1 with why.
 */
int options_take_token(struct options *, char *why, size_t why_size);
void options_wipe_token(struct options *);
/* What holds, and where each value comes from; not the token. */
void options_print_config(const struct options *, FILE *);
/* Where options_take_token() will look, in a few words. */
const char *options_token_source(const struct options *);

/* "5m", "1h 30m", "30d": a sum of numbers with units. False for others. */
bool options_parse_duration(const char *, uint64_t *ms);
/* The first bare level of RUST_LOG's comma-separated directives. */
bool options_parse_directives(const char *, enum log_level *);

#endif /* PARENT_OPTIONS_H */
