/*
 * ChaCha20-Poly1305 by intel-ipsec-mb, for processors with AVX2 or better.
 *
 * By its job interface, which is faster than the direct one (1280 bytes with
 * AVX2: 1020 ns against 1090 ns; libsodium 1330 ns). A job of this cipher is
 * done when submit returns: none waits for others to fill the lanes.
 */
#include <intel-ipsec-mb.h>
#include <sodium.h>
#include <stdlib.h>

#include "net-worker/core/aead_backend.h"

static bool
ipsec_mb_state_new(void **state)
{
	IMB_MGR *manager;
	IMB_ARCH arch = IMB_ARCH_NONE;

	if ((manager = alloc_mb_mgr(0)) == NULL)
		return false;
	init_mb_mgr_auto(manager, &arch);
	if (imb_get_errno(manager) != 0 || arch < IMB_ARCH_AVX2) {
		free_mb_mgr(manager);
		return false;
	}
	*state = manager;
	return true;
}

static void
ipsec_mb_state_free(void *state)
{
	free_mb_mgr(state);
}

static void
ipsec_mb_run(IMB_MGR *manager, IMB_CIPHER_DIRECTION direction,
    const uint8_t *key, const uint8_t *nonce, const uint8_t *from, size_t len,
    uint8_t *to, uint8_t tag[AEAD_TAG_LEN])
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(manager);
	IMB_CHAIN_ORDER order = IMB_ORDER_CIPHER_HASH;

	if (direction == IMB_DIR_DECRYPT)
		order = IMB_ORDER_HASH_CIPHER;
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = direction;
	job->chain_order = order;
	job->enc_keys = job->dec_keys = key;
	job->key_len_in_bytes = AEAD_KEY_LEN;
	job->iv = nonce;
	job->iv_len_in_bytes = AEAD_NONCE_LEN;
	job->src = from;
	job->dst = to;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = len;
	job->msg_len_to_hash_in_bytes = len;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = AEAD_TAG_LEN;
	job->u.CHACHA20_POLY1305.aad = NULL;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job = IMB_SUBMIT_JOB_NOCHECK(manager);
	/* Going on would send plaintext. */
	if (job == NULL || job->status != IMB_STATUS_COMPLETED)
		abort();
}

static void
ipsec_mb_seal(void *state, const uint8_t *key, const uint8_t *nonce,
    const uint8_t *from, size_t len, uint8_t *to)
{
	ipsec_mb_run(
	    state, IMB_DIR_ENCRYPT, key, nonce, from, len, to, to + len);
}

static bool
ipsec_mb_open(void *state, const uint8_t *key, const uint8_t *nonce,
    const uint8_t *from, size_t len, uint8_t *to)
{
	uint8_t tag[AEAD_TAG_LEN];

	ipsec_mb_run(state, IMB_DIR_DECRYPT, key, nonce, from, len, to, tag);
	return crypto_verify_16(tag, from + len) == 0;
}

const struct aead_backend aead_ipsec_mb = {
	.name = "intel-ipsec-mb",
	.open_state = ipsec_mb_state_new,
	.close_state = ipsec_mb_state_free,
	.seal = ipsec_mb_seal,
	.open = ipsec_mb_open,
};
