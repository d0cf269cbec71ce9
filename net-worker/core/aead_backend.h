/*
 * What aead.c chooses from: one table of functions for each library that can do
 * the data packets' ChaCha20-Poly1305.
 */
#ifndef NET_WORKER_CORE_AEAD_BACKEND_H
#define NET_WORKER_CORE_AEAD_BACKEND_H

#include "net-worker/core/aead.h"

#define AEAD_NONCE_LEN 12

struct aead_backend {
	const char *name;
	/* False where processor or memory do not suffice. */
	bool (*open_state)(void **state);
	void (*close_state)(void *state);
	/* As aead_seal() and aead_open(). */
	void (*seal)(void *state, const uint8_t *key, const uint8_t *nonce,
	    const uint8_t *from, size_t len, uint8_t *to);
	bool (*open)(void *state, const uint8_t *key, const uint8_t *nonce,
	    const uint8_t *from, size_t len, uint8_t *to);
};

extern const struct aead_backend aead_sodium;
#ifdef HAVE_IPSEC_MB
extern const struct aead_backend aead_ipsec_mb;
#endif

/* NULL when the backend is not to be had here or computes nonsense. */
struct aead *aead_new_with(const struct aead_backend *);

#endif /* NET_WORKER_CORE_AEAD_BACKEND_H */
