/* Tokens and reports for the tests of flow logs. */
#ifndef TESTS_LIB_FLOW_H
#define TESTS_LIB_FLOW_H

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <zlib.h>

#include "common/ipc.h"
#include "control-worker/flow/record.h"
#include "control-worker/flow/token.h"

#define FLOW_AUTHORIZATION "5f1a3c6e-0b1d-4c57-9d6d-2b8f0c9e7a11"
#define FLOW_HEADER        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

/* All that is required, but for the last brace. */
#define FLOW_CLAIMS_WITHOUT(authorization, role, uploads, exp)              \
	"{\"account_id\":\"a\",\"iat\":1,\"exp\":" exp                      \
	",\"uploads_enabled\":" uploads ",\"role\":\"" role                 \
	"\",\"initiator_device_id\":\"d1\",\"responder_device_id\":\"d2\"," \
	"\"policy_authorization_id\":\"" authorization                      \
	"\",\"policy_id\":\"p\",\"resource_id\":\"r\",\"resource_name\":"   \
	"\"The \\\"office\\\"\",\"initiator_actor_id\":\"i\","              \
	"\"initiator_actor_name\":\"Jane\",\"authorized_at\":"              \
	"\"2026-01-01T00:00:00Z\",\"authorization_expires_at\":"            \
	"\"2026-02-01T00:00:00Z\""
#define FLOW_CLAIMS \
	FLOW_CLAIMS_WITHOUT(FLOW_AUTHORIZATION, "responder", "true", "2000") "}"

static inline size_t
flow_base64(const char *text, char *to, size_t size)
{
	sodium_bin2base64(to, size, (const unsigned char *)text, strlen(text),
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return strlen(to);
}

/* A token with a signature of no meaning; to is returned. */
static inline char *
flow_jwt(const char *header, const char *claims, char to[16384])
{
	size_t n = flow_base64(header, to, 16384);

	to[n++] = '.';
	n += flow_base64(claims, to + n, 16384 - n);
	strcpy(to + n, ".c2lnbmF0dXJl");
	return to;
}

static inline struct endpoint
flow_endpoint(const char *text)
{
	struct endpoint e;

	if (!endpoint_parse(text, &e))
		abort();
	return e;
}

/* A file of one report, as it was written once. */
static inline size_t
flow_file_format(const char *payload, size_t len, char to[FLOW_FILE_MAX + 1])
{
	return (size_t)snprintf(to, FLOW_FILE_MAX + 1,
	    "{\"checksum\":%" PRIu32 ",\"payload\":%.*s}",
	    (uint32_t)crc32(0, (const Bytef *)payload, (uInt)len), (int)len,
	    payload);
}

/* With a path of its own; else firezone-policy(7), Flow vectors. */
static inline struct ipc_flow
flow_report(bool closed)
{
	struct ipc_flow f = {
		.closed = closed,
		.protocol = IPPROTO_TCP,
		.source = flow_endpoint("100.64.0.1:1234"),
		.destination = flow_endpoint("10.0.0.5:443"),
		.started_at = UINT64_C(1700000000000000000),
		.ended_at = UINT64_C(1700000001500000000),
		.last_packet_at = UINT64_C(1700000001000250000),
		.tx_packets = 1,
		.tx_bytes = 2,
		.rx_packets = 3,
		.rx_bytes = 4,
		.paths = { {
		    .from = flow_endpoint("198.51.100.7:40000"),
		    .local = flow_endpoint("192.0.2.1:52625"),
		    .at = UINT64_C(1700000000000000001),
		} },
		.paths_count = 1,
	};

	if (!uuid_parse(FLOW_AUTHORIZATION, &f.authorization))
		abort();
	return f;
}

#endif /* TESTS_LIB_FLOW_H */
