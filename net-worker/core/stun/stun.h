/*
 * The STUN codec (RFC 8489) with the attributes of ICE (RFC 8445) and TURN
 * (RFC 8656) that are used here: firezone-tunnel(7), Check messages and Relay
 * requests. No state: what a message means is decided by ice/ and turn/.
 */
#ifndef NET_WORKER_CORE_STUN_STUN_H
#define NET_WORKER_CORE_STUN_STUN_H

#include "common/address.h"
#include "common/buffer.h"
#include "net-worker/core/datagram.h"

#define STUN_HEADER_LEN      20
#define STUN_TRANSACTION_LEN 12
#define STUN_COOKIE          0x2112a442u
#define STUN_KEY_LEN         16 /* long-term key: an MD5 */
#define STUN_MESSAGE_MAX     DATAGRAM_MAX
#define STUN_USERNAME_MAX    513
#define STUN_REASON_MAX      64

enum stun_type {
	STUN_BINDING_REQUEST = 0x0001,
	STUN_BINDING_INDICATION = 0x0011,
	STUN_BINDING_SUCCESS = 0x0101,
	STUN_BINDING_ERROR = 0x0111,
	STUN_ALLOCATE_REQUEST = 0x0003,
	STUN_ALLOCATE_SUCCESS = 0x0103,
	STUN_ALLOCATE_ERROR = 0x0113,
	STUN_REFRESH_REQUEST = 0x0004,
	STUN_REFRESH_SUCCESS = 0x0104,
	STUN_REFRESH_ERROR = 0x0114,
	STUN_CHANNEL_BIND_REQUEST = 0x0009,
	STUN_CHANNEL_BIND_SUCCESS = 0x0109,
	STUN_CHANNEL_BIND_ERROR = 0x0119,
};

enum stun_attribute {
	STUN_USERNAME = 0x0006,
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_CHANNEL_NUMBER = 0x000c,
	STUN_LIFETIME = 0x000d,
	STUN_XOR_PEER_ADDRESS = 0x0012,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_XOR_RELAYED_ADDRESS = 0x0016,
	STUN_REQUESTED_TRANSPORT = 0x0019,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_PRIORITY = 0x0024,
	STUN_USE_CANDIDATE = 0x0025,
	STUN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
	STUN_DRAFT_ADDITIONAL_ADDRESS_FAMILY = 0x8032,
	STUN_SOFTWARE = 0x8022,
	STUN_FINGERPRINT = 0x8028,
	STUN_ICE_CONTROLLED = 0x8029,
	STUN_ICE_CONTROLLING = 0x802a,
};

/* Bits of stun_message.have. */
enum stun_have {
	STUN_HAVE_USERNAME = 1 << 0,
	STUN_HAVE_INTEGRITY = 1 << 1,
	STUN_HAVE_ERROR = 1 << 2,
	STUN_HAVE_CHANNEL = 1 << 3,
	STUN_HAVE_LIFETIME = 1 << 4,
	STUN_HAVE_PEER = 1 << 5,
	STUN_HAVE_REALM = 1 << 6,
	STUN_HAVE_NONCE = 1 << 7,
	STUN_HAVE_RELAYED = 1 << 8, /* at least one of relayed[] */
	STUN_HAVE_MAPPED = 1 << 9,
	STUN_HAVE_PRIORITY = 1 << 10,
	STUN_HAVE_USE_CANDIDATE = 1 << 11,
	STUN_HAVE_CONTROLLED = 1 << 12,
	STUN_HAVE_CONTROLLING = 1 << 13,
};

/* A view into the parsed datagram; not terminated. */
struct stun_text {
	const uint8_t *bytes;
	size_t length;
};

struct stun_message {
	uint16_t type; /* enum stun_type, or another */
	uint8_t transaction[STUN_TRANSACTION_LEN];
	uint32_t have; /* enum stun_have */
	struct stun_text username, realm, nonce;
	struct endpoint mapped, peer;
	struct endpoint relayed[2]; /* first IPv4, first IPv6; or IP_NONE */
	uint64_t tie_breaker;       /* of ICE-CONTROLLED or ICE-CONTROLLING */
	uint32_t priority;
	uint32_t lifetime; /* seconds */
	uint16_t error;    /* 300-699 */
	uint16_t channel;
	const uint8_t *raw;  /* the whole message */
	size_t integrity_at; /* offset of MESSAGE-INTEGRITY's header */
};

/*
 * Loads the digests. Called once before the process confines itself: the first
 * use of libcrypto would otherwise look for its configuration file. False when
 * this libcrypto lacks SHA-1 or MD5.
 */
bool stun_warm_up(void);

/*
 * Parses a datagram that must be exactly one message (length field + 20 = len,
 * multiple of four, magic cookie, STUN_MESSAGE_MAX). The first of equal
 * attributes counts, what follows MESSAGE-INTEGRITY does not (but FINGERPRINT),
 * unknown attributes are skipped. False when it is not STUN or a known
 * attribute is malformed, see firezone-tunnel(7), Accepted checks. The message
 * points into data.
 */
bool stun_parse(const uint8_t *data, size_t len, struct stun_message *);

/* Whether MESSAGE-INTEGRITY is there and right, in constant time. */
bool stun_verify(const struct stun_message *, const void *key, size_t key_len);

/*
 * MD5("username:realm:password"), RFC 8489 9.2.2. False when the library
 * cannot compute it.
 */
bool stun_long_term_key(const char *username, const char *realm,
    const char *password, uint8_t key[STUN_KEY_LEN]);

/*
 * Writing: begin on an empty writer, add attributes in the order they shall
 * have, then integrity and fingerprint as wanted. The length field is right
 * after every step; a writer that failed (no room) stays failed. A reason is
 * cut at STUN_REASON_MAX.
 */
void stun_begin(struct writer *, uint16_t type,
    const uint8_t transaction[STUN_TRANSACTION_LEN]);
void stun_add_bytes(
    struct writer *, uint16_t attribute, const void *, size_t len);
void stun_add_text(struct writer *, uint16_t attribute, const char *);
void stun_add_u32(struct writer *, uint16_t attribute, uint32_t);
void stun_add_u64(struct writer *, uint16_t attribute, uint64_t);
/* An XOR-...-ADDRESS. */
void stun_add_address(
    struct writer *, uint16_t attribute, const struct endpoint *);
void stun_add_error(struct writer *, uint16_t code, const char *reason);
void stun_add_integrity(struct writer *, const void *key, size_t key_len);
void stun_add_fingerprint(struct writer *);

#endif /* NET_WORKER_CORE_STUN_STUN_H */
