/*
 * Transaction IDs of checks, which nobody may guess (RFC 8489 5): drawn from
 * the random source many at a time, since each request to it is a system call
 * and a check is made for every client several times a minute.
 *
 * Each thread has a supply of its own. A process that forks must not draw on
 * both sides: they would draw the same.
 */
#ifndef NET_WORKER_CORE_ICE_TRANSACTION_H
#define NET_WORKER_CORE_ICE_TRANSACTION_H

#include <stdint.h>

#include "net-worker/core/stun/stun.h"

/* 252 bytes: libsodium asks the kernel for 256 at once and no more. */
#define TRANSACTION_SUPPLY 21

void transaction_draw(uint8_t to[STUN_TRANSACTION_LEN]);

#endif /* NET_WORKER_CORE_ICE_TRANSACTION_H */
