/* A supply of transaction IDs: see transaction.h. */
#include "net-worker/core/ice/transaction.h"

#include <sodium.h>
#include <string.h>

static _Thread_local uint8_t supply[TRANSACTION_SUPPLY][STUN_TRANSACTION_LEN];
static _Thread_local unsigned supply_left;

void
transaction_draw(uint8_t to[STUN_TRANSACTION_LEN])
{
	unsigned at;

	if (supply_left == 0) {
		randombytes_buf(supply, sizeof(supply));
		supply_left = TRANSACTION_SUPPLY;
	}
	at = TRANSACTION_SUPPLY - supply_left--;
	memcpy(to, supply[at], STUN_TRANSACTION_LEN);
	sodium_memzero(supply[at], STUN_TRANSACTION_LEN);
}
