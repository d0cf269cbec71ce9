/*
 * One client's world as firezone-policy(7) tells it, slow and plain:
 * lists that are walked from end to end, checksums that are summed up anew. It
 * is what the gateway's own code is compared with, and shares nothing with it
 * but the vocabulary of common/.
 *
 * To be read with the specification at its side; the numbers in comments are
 * sections and steps of it.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "common/filter.h"
#include "common/reason.h"
#include "common/uuid.h"
#include "tests/model/model_cross.h"
#include "tests/model/model_nat.h"
#include "tests/model/model_packet.h"

/* ICMP answers: so many at once, and one more in each interval. */
#define MODEL_ANSWERS   100
#define MODEL_ANSWER_NS 10000000

#define MODEL_GRANTS_MAX  16
#define MODEL_FILTERS_MAX 8
#define MODEL_NAMES_MAX   256 /* proxy addresses */
#define MODEL_HOLDERS_MAX 32
#define MODEL_SITE_MAX    6
#define MODEL_PROBED_MAX  4

/* What happened, counted, so that a run can tell what it never came by. */
#define MODEL_PATHS(X)                                                   \
	X(TO_GATEWAY, "out: to the gateway")                             \
	X(CIDR_OUT, "out: CIDR")                                         \
	X(INTERNET_OUT, "out: Internet")                                 \
	X(DNS_OUT, "out: name")                                          \
	X(SPECIFIC_LOSES, "out: a rejecting longer prefix loses")        \
	X(PROXY_BY_CIDR, "out: proxy address through CIDR")              \
	X(NAME_WITHDRAWN, "out: name of a silent server")                \
	X(NO_FAMILY, "out: name without the family")                     \
	X(NO_ENTRY, "out: proxy address without a name")                 \
	X(ANSWER_V4, "out: answered, IPv4")                              \
	X(ANSWER_V6, "out: answered, IPv6")                              \
	X(ANSWER_SHORT, "out: answered, quoted in full")                 \
	X(ANSWER_LIMITED, "out: answer held back")                       \
	X(NAT_NEW, "NAT: new session")                                   \
	X(NAT_AGAIN, "NAT: known session")                               \
	X(NAT_PINNED, "NAT: session keeps its old address")              \
	X(NAT_MOVED, "NAT: outside value differs")                       \
	X(NAT_RETURN, "NAT: translated back")                            \
	X(NAT_FIN_BOTH, "NAT: FIN from both")                            \
	X(NAT_RST, "NAT: RST")                                           \
	X(NAT_TCP, "NAT: TCP")                                           \
	X(NAT_UDP, "NAT: UDP")                                           \
	X(NAT_ECHO_V4, "NAT: echo, IPv4")                                \
	X(NAT_ECHO_V6, "NAT: echo, IPv6")                                \
	X(NAT_NO_CHECKSUM, "NAT: UDP without checksum")                  \
	X(NAT_FULL, "NAT: too many sessions")                            \
	X(NAT_ROOM, "NAT: an idle session made room")                    \
	X(NAT_NO_PORT, "NAT: no free port")                              \
	X(FROM_GATEWAY, "in: from the gateway")                          \
	X(FROM_GATEWAY_UNASKED, "in: from the gateway, no answer")       \
	X(FROM_GATEWAY_TRANSLATED, "in: from the gateway, rebuilt")      \
	X(FROM_GATEWAY_ENDED, "in: from the gateway, quotes what ended") \
	X(ERROR_REBUILT_V4, "in: ICMP error rebuilt, IPv4")              \
	X(ERROR_REBUILT_V6, "in: ICMP error rebuilt, IPv6")              \
	X(ERROR_MTU, "in: ICMP error rebuilt, with MTU")                 \
	X(ERROR_ENDED, "in: ICMP error quotes what ended")               \
	X(ERROR_PASSED, "in: ICMP error as it is")                       \
	X(ERROR_FAMILY, "in: ICMP error quotes the other family")        \
	X(ERROR_OF_ANOTHER, "in: ICMP error quotes another's packet")    \
	X(ERROR_UNASKED, "in: ICMP error quotes what may not be sent")   \
	X(CIDR_IN, "in: CIDR")                                           \
	X(INTERNET_IN, "in: Internet")                                   \
	X(DNS_IN, "in: name")                                            \
	X(CROSS_TO_V6, "crossing: out, to IPv6")                         \
	X(CROSS_TO_V4, "crossing: out, to IPv4")                         \
	X(CROSS_FROM_V6, "crossing: in, from IPv6")                      \
	X(CROSS_FROM_V4, "crossing: in, from IPv4")                      \
	X(CROSS_NO_CHECKSUM, "crossing: UDP without checksum")           \
	X(CROSS_TOO_LONG_OUT, "crossing: out, too long")                 \
	X(CROSS_TOO_LONG_IN, "crossing: in, too long")                   \
	X(CROSS_TOO_LONG_TOLD, "crossing: too long, and told")           \
	X(CROSS_ERROR_V4, "crossing: ICMP error, from IPv4")             \
	X(CROSS_ERROR_V6, "crossing: ICMP error, from IPv6")             \
	X(CROSS_ERROR_NONE, "crossing: ICMP error without counterpart")  \
	X(CROSS_MTU, "crossing: an MTU")                                 \
	X(CROSS_POINTER, "crossing: a protocol that is not there")       \
	X(CROSS_ERROR_CUT, "crossing: a quote is cut")                   \
	X(CROSS_CUT, "crossing: cut in two")                             \
	X(CROSS_IDENTIFIED, "crossing: an identification is kept")       \
	X(CROSS_ENDED, "crossing: no longer")                            \
	X(RENUMBERED, "names: renumbered")                               \
	X(SHARED_PROXY, "names: one proxy, several resources")           \
	X(PATTERN_MATCHES, "patterns: matched")                          \
	X(PATTERN_DOES_NOT, "patterns: not matched")

enum model_path {
#define X(name, text) PATH_##name,
	MODEL_PATHS(X)
#undef X
	    PATH_COUNT
};

struct model_grant {
	struct uuid id;
	enum resource_type type;
	struct ip_prefix network; /* CIDR */
	char pattern[64];         /* DNS */
	struct filter filters[MODEL_FILTERS_MAX];
	size_t filter_count;
	struct uuid flow;
	struct mono expires;
};

/* A proxy address and what it stands for; 6.4. */
struct model_name {
	struct ip_address proxy;
	struct ip_address real; /* IP_NONE: none of the family */
	char domain[64];
	struct uuid holders[MODEL_HOLDERS_MAX];
	size_t holder_count;
};

struct model {
	struct ip_address client[2], gateway[2]; /* IPv4, IPv6 */
	bool expose_host;
	bool older; /* its names are reached over both families */
	struct ip_prefix site[MODEL_SITE_MAX]; /* any order, any overlap */
	size_t site_count;
	struct ip_address answering[MODEL_PROBED_MAX], silent[MODEL_PROBED_MAX];
	size_t answering_count, silent_count; /* any order, also the same */
	struct model_grant grants[MODEL_GRANTS_MAX]; /* any order */
	size_t grant_count;
	struct model_name names[MODEL_NAMES_MAX];
	size_t name_count;
	struct model_nat nat;
	int64_t icmp_credit; /* nanoseconds' worth of answers */
	struct mono icmp_counted;
	uint16_t crossed; /* packets between the families, so far */
	unsigned long seen[PATH_COUNT];
};

/* Everything but what was counted begins anew. */
void model_reset(struct model *, const struct ip_address client[2]);

enum model_granted {
	MODEL_GRANT_NEW,
	MODEL_GRANT_UPDATED,
	MODEL_GRANT_CONFLICT,
	MODEL_GRANT_INVALID,
};

enum model_granted model_add(struct model *, const struct model_grant *);
const struct model_grant *model_find(
    const struct model *, const struct uuid *id);
bool model_remove(struct model *, const struct uuid *id);
bool model_set_filters(struct model *, const struct uuid *id,
    enum resource_type, const struct filter *, size_t count);
bool model_set_expiry(struct model *, const struct uuid *id, struct mono);
/* The next expiry; MONO_NEVER. */
struct mono model_deadline(const struct model *);

enum model_assigned {
	MODEL_ASSIGNED,
	MODEL_NOT_GRANTED,
	MODEL_NOT_DNS,
	MODEL_NO_MATCH,
	MODEL_NO_PROXY,
};

/* What a proxy address stands for; NULL. */
struct model_name *model_name_of(
    struct model *, const struct ip_address *proxy);
/* Whether it may be a proxy address, and whether a name may mean it. */
bool model_proxy(const struct ip_address *);
bool model_usable(const struct ip_address *);
/* 6.5; false for a pattern that is invalid. */
bool model_matches(const char *pattern, const char *name);
enum model_assigned model_may_assign(
    const struct model *, const struct uuid *id, const char *domain);
/* 6.4. The lists are sorted in place. */
enum model_assigned model_assign(struct model *, const struct uuid *id,
    const char *domain, struct ip_address *proxies, size_t proxy_count,
    struct ip_address *addresses, size_t address_count, bool *renumbered);

/* Whether its names are reached over both families; how many sessions end. */
size_t model_set_older(struct model *, struct mono now, bool older);

enum model_verdict {
	MODEL_MALFORMED,
	MODEL_DROP,
	MODEL_ANSWER,
	MODEL_PASS,
};

struct model_result {
	enum model_verdict verdict;
	enum policy_reason reason;
	bool limited;
	/* Of PASS: */
	struct uuid resource, flow; /* zero: none */
	const char *domain;
	/* Of a refusal by filter: whose it was. */
	struct uuid refused_by;
	/* Of PASS and ANSWER: */
	uint8_t data[MODEL_WHOLE_MAX];
	size_t length;
	/* Of PASS, the second fragment. */
	uint8_t rest[MODEL_REST_MAX];
	size_t rest_length;
	struct model_checksums checksums; /* that may be 0 or 0xffff */
	/*
	 * It has become IPv4 and had no identification, so that its
	 * identification is one more than that of the client's packet that
	 * crossed before; 0 here, with a checksum of the header that is right
	 * for that.
	 */
	bool identified;
};

void model_outbound(struct model *, struct mono now, const uint8_t *data,
    size_t length, struct model_result *);
void model_inbound(struct model *, struct mono now, const uint8_t *data,
    size_t length, struct model_result *);

#endif /* TESTS_MODEL_MODEL_H */
