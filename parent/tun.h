/*
 * The TUN device "tun-firezone" (firezone-tunnel(7), Tunnel device;
 * firezone-policy(7), The tunnel device): opened by the parent, its queues
 * handed to net-worker.
 */
#ifndef PARENT_TUN_H
#define PARENT_TUN_H

#include <stdbool.h>
#include <stddef.h>

#define TUN_NAME       "tun-firezone"
#define TUN_MTU        1280
#define TUN_QUEUES_MAX 8

struct tun {
	int queue[TUN_QUEUES_MAX]; /* -1: not there */
	unsigned queues;
	unsigned ifindex;
	bool offload; /* TSO and checksum offload were accepted */
	bool uso;     /* USO too */
	int homes;    /* the table it is steered by (steering.h), or -1 */
};

/*
 * Opens the device exclusively with that many queues, non-blocking, with a
 * vnet header of 10 bytes in front of every packet; no packet is larger than
 * the MTU until tun_set_offload(). Makes /dev/net/tun when it is missing. A
 * dying predecessor is waited for up to 2 s. On failure returns -1 with a
 * sentence for the operator in why.
 */
int tun_open(struct tun *, unsigned queues, char *why, size_t why_size);
/* That there is a driver, or at least somebody who may make its node. */
bool tun_is_there(char *why, size_t why_size);
/*
 * Asks the kernel for packets of up to 64 KiB and partial checksums, or for
 * none of it; what was accepted is in offload and uso. For all queues at once.
 */
void tun_set_offload(struct tun *, bool wanted);
/*
 * Closes the parent's queues; the device goes with the last one anywhere.
 * Harmless after a failed tun_open() and when called twice.
 */
void tun_close(struct tun *);

#endif /* PARENT_TUN_H */
