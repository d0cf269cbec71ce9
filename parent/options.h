/*
 * The command line and the environment (posternd(8), Options): everything that
 * the reference accepts, with the same meaning, and our own.
 */
#ifndef PARENT_OPTIONS_H
#define PARENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/log.h"

#define TOKEN_MAX          4096
#define GATEWAY_GENERATION "1.6.1" /* of the protocols, not our version */

/*
 * Strings point into argv or the environment and live as long as those, except
 * for the token, which is a copy.
 */
struct options {
	char *token;          /* see options_take_token() */
	char *token_argument; /* in argv, until it is taken */
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
	unsigned threads;
	uint64_t max_partition_ms;
	uint8_t portal_generation; /* 0: to be found out */
	int udp_receive_bytes; /* 0: the default */
	int udp_send_bytes;
	enum log_level log_level;
	enum log_format log_format;
	/* Accepted, but without effect in this version; to be told. */
	const char *ineffective[16];
	size_t ineffective_count;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* help or version was printed: exit 0 */
	OPTIONS_WRONG, /* why says what: exit 2 */
};

enum options_result options_parse(
    struct options *, int argc, char **argv, char *why, size_t why_size);

/*
 * Copies the token from argv, FIREZONE_TOKEN or the systemd credential of that
 * name, without its white space, and wipes the first two. The copy is in memory
 * that is neither swapped out nor dumped: a control-worker that is started
 * again needs it. -1 with why.
 */
int options_take_token(struct options *, char *why, size_t why_size);
void options_wipe_token(struct options *);

/* "5m", "1h 30m", "30d": a sum of numbers with units. False for others. */
bool options_parse_duration(const char *, uint64_t *ms);
/* The first bare level of RUST_LOG's comma-separated directives. */
bool options_parse_directives(const char *, enum log_level *);

#endif /* PARENT_OPTIONS_H */
