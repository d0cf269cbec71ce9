/*
 * WireGuard's numbers, all of them: the lengths of its messages and where their
 * parts lie (firezone-tunnel(7), Handshake messages), its timers
 * (firezone-tunnel(7), WireGuard timers) and the cookies'
 * (firezone-tunnel(7), Cookies). Times are seconds where nothing else is said.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_CONSTANTS_H
#define NET_WORKER_CORE_WIREGUARD_CONSTANTS_H

/* Bytes. */
#define MESSAGE_INITIATION_LEN  148
#define MESSAGE_RESPONSE_LEN    92
#define MESSAGE_COOKIE_LEN      64
#define MESSAGE_DATA_HEADER_LEN 16
#define MESSAGE_DATA_MIN        32 /* header, tag and nothing: a keepalive */

/* Offsets. A response names its sender first, an initiation nobody else. */
#define MESSAGE_RECEIVER          4
#define MESSAGE_RESPONSE_RECEIVER 8
/* MAC2 follows MAC1. */
#define MESSAGE_INITIATION_MAC1 116
#define MESSAGE_RESPONSE_MAC1   60

#define REKEY_AFTER_TIME      120
#define REJECT_AFTER_TIME     180
#define REKEY_TIMEOUT         5
#define REKEY_ATTEMPT_TIME    20
#define REKEY_JITTER_MAX_MS   333
#define KEEPALIVE_TIMEOUT     10
#define SILENCE_TIMEOUT       (KEEPALIVE_TIMEOUT + REKEY_TIMEOUT)
#define REKEY_ON_RECEIVE_TIME (REJECT_AFTER_TIME - SILENCE_TIMEOUT)
#define DEAD_TIME             (3 * REJECT_AFTER_TIME)
/* Without ICE it is WireGuard that finds out that a path is dead. */
#define ICELESS_REKEY_TIMEOUT      2
#define ICELESS_REKEY_ATTEMPT_TIME 90
#define ICELESS_KEEPALIVE_TIMEOUT  5
/* An initiator stops earlier, so that what is on its way still arrives. */
#define INITIATOR_SEND_TIME 170

#define COOKIE_LIFETIME  120    /* of one that we were given */
#define COOKIE_PERIOD_MS 128000 /* of those that we give */

/* Counters that a late packet may be behind. */
#define REPLAY_WINDOW 8192
/* REJECT_AFTER_MESSAGES of the WireGuard paper, 6.1: no counter wraps. */
#define REJECT_AFTER_MESSAGES (UINT64_MAX - REPLAY_WINDOW)

#endif /* NET_WORKER_CORE_WIREGUARD_CONSTANTS_H */
