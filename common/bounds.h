/*
 * Bounds of what messages between the processes carry and both ends keep.
 * Bytes, characters without the terminator, or numbers of entries.
 */
#ifndef COMMON_BOUNDS_H
#define COMMON_BOUNDS_H

#define KEY_LEN 32 /* X25519 keys, and preshared ones */

/* Of the portal. */
#define URL_TEXT_MAX        2048
#define TOKEN_MAX           4096
#define TOKEN_SOURCE_MAX    255
#define OPTIONS_TEXT_MAX    16384 /* all of posternd's, as it prints them */
#define ICE_CREDENTIAL_MAX  128
#define TURN_CREDENTIAL_MAX 512
#define CANDIDATE_LINES_MAX 32768 /* of one message, all lines */
/* An authorization with more rules is refused: one message holds them all. */
#define FILTERS_MAX 4096
#define PATTERN_MAX 255 /* of the names of a DNS resource */

/* Of names that clients assign addresses to. */
#define DOMAIN_MAX           255
#define DOMAIN_TEXT_MAX      1024 /* with every octet escaped */
#define PROXIES_MAX          96   /* more do not fit into a packet */
#define LOOKUP_ADDRESSES_MAX 64   /* what a name may stand for */
#define CONTROL_PAYLOAD_MAX  1232 /* of a control packet */

/* Of the host. */
#define CA_BUNDLE_MAX     (4 * 1024 * 1024) /* of certificates */
#define RESOLVERS_MAX     8
#define PRIVATE_HOSTS_MAX 8 /* of the portal and of flow logs */
#define TROUBLES_TEXT_MAX 1000
#define PROBES_MAX        16 /* servers that are looked after */
/* Longer than an attempt to connect to one may take. */
#define PROBE_INTERVAL_MIN_MS 10000
#define SITE_NETWORKS_MAX 128 /* beyond these, everything is the site's */

/* Of what an operator is shown. */
#define EXPLAIN_ROUTES_MAX 16 /* of one packet */
#define SHOWN_FILTERS_MAX  16 /* of one resource */

/*
 * Bytes of memory that names of clients and resources take, so that a
 * control-worker that is started again has them (directory.h).
 */
#define NAMES_MEMORY 9437184

#define FLOW_PATHS_MAX 16 /* of one report */
#define VIOLATION_MAX  255

#endif /* COMMON_BOUNDS_H */
