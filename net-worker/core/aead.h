/*
 * ChaCha20-Poly1305 as WireGuard data uses it (RFC 8439; nonce = four zero
 * bytes and a little-endian counter; no additional data), by intel-ipsec-mb
 * where library and processor have it, else by libsodium.
 *
 * One object per thread; it owns the library's scratch memory.
 */
#ifndef NET_WORKER_CORE_AEAD_H
#define NET_WORKER_CORE_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_LEN 32
#define AEAD_TAG_LEN 16

struct aead;

/* Before the sandbox: may probe the processor. NULL without memory. */
struct aead *aead_new(void);
void aead_free(struct aead *);
/* "intel-ipsec-mb" or "libsodium", for the log. */
const char *aead_name(const struct aead *);

/*
 * Writes len encrypted bytes and the tag to "to", which may be "from" itself
 * (but not overlap it otherwise).
 */
void aead_seal(struct aead *, const uint8_t key[AEAD_KEY_LEN], uint64_t counter,
    const uint8_t *from, size_t len, uint8_t *to);
/*
 * Opens len bytes of ciphertext followed by the tag; false, and "to" is
 * unspecified, when the tag is wrong.
 */
bool aead_open(struct aead *, const uint8_t key[AEAD_KEY_LEN], uint64_t counter,
    const uint8_t *from, size_t len, uint8_t *to);

#endif /* NET_WORKER_CORE_AEAD_H */
