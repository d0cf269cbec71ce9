/*
 * What other people's nftables rules do to the packets that matter to us: a
 * model of the rules, as far as they decide, and a judge of it. No system call.
 *
 * A condition that the model cannot decide counts as not met, and a refusal
 * behind it as meant for somebody else. So the question is what becomes of a
 * packet that no exception fits, along all jumps: if it ends in a refusal, the
 * chain refuses. The model errs on that side, also where it is full.
 */
#ifndef PARENT_RULESET_H
#define PARENT_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULESET_NAME_SIZE  128
#define RULESET_TABLES_MAX 64
#define RULESET_CHAINS_MAX 2048
#define RULESET_STEPS_MAX  16384
#define RULESET_MARKS_MAX  256
/* The kernel's own bound for nested jumps is 16. */
#define RULESET_DEPTH_MAX 17

/*
 * The packets, new connections and answers in them, that have to pass: of each
 * kind one in IPv4, then one in IPv6 (PACKET_V6 behind it).
 */
enum test_packet {
	PACKET_OUT,     /* new, from the TUN to anywhere, of any protocol */
	PACKET_OUT_TCP,
	PACKET_OUT_UDP,
	PACKET_BACK,    /* of a connection, from anywhere into the TUN */
	PACKET_BACK_TCP,
	PACKET_BACK_UDP,
	PACKET_DNS_UDP, /* new, from the TUN to our DNS server */
	PACKET_DNS_TCP,
	PACKET_ANSWER,  /* of the DNS server, into the TUN */
	PACKET_KINDS,
	PACKET_V6 = PACKET_KINDS,
	TEST_PACKETS = 2 * PACKET_KINDS,
};

enum match {
	MATCH_NO,
	MATCH_MAYBE,
	MATCH_YES,
};

enum action {
	ACTION_NONE,
	ACTION_ACCEPT, /* also what is left to others, such as a queue */
	ACTION_REFUSE,
	ACTION_RETURN,
	ACTION_JUMP,
	ACTION_GOTO,
};

/* A rule that decides, or may. */
struct step {
	uint8_t action;
	uint8_t match[TEST_PACKETS];
	uint16_t target; /* of a jump, in chains */
};

struct ruleset_table {
	uint8_t family; /* NFPROTO_ */
	char name[RULESET_NAME_SIZE];
};

struct ruleset_chain {
	char name[RULESET_NAME_SIZE];
	uint16_t table; /* in tables */
	/* Of a base chain: */
	uint64_t handle;
	bool base, filter, policy_drops;
	uint8_t hook; /* NF_INET_, or NF_NETDEV_ in the family netdev */
	unsigned first, steps;
	bool scattered; /* its rules did not come one after the other */
};

/* A rule of ours. */
struct ruleset_mark {
	uint16_t chain;
	uint64_t handle;
};

struct ruleset {
	struct ruleset_table table[RULESET_TABLES_MAX];
	unsigned tables;
	struct ruleset_chain chain[RULESET_CHAINS_MAX];
	unsigned chains;
	struct step step[RULESET_STEPS_MAX];
	unsigned steps;
	struct ruleset_mark mark[RULESET_MARKS_MAX];
	unsigned marks;
	bool overflow;
};

/* Of a table, or a new one; -1 when it is full, which makes it overflow. */
int ruleset_table(struct ruleset *, uint8_t family, const char *name);
/* Likewise of a chain in that table. */
int ruleset_chain(struct ruleset *, unsigned table, const char *name);
/* The next rule of that chain; one like the last says nothing new. */
void ruleset_add(struct ruleset *, unsigned chain, const struct step *);

/* Whether the base chain refuses a packet of this kind. */
bool ruleset_refuses(
    const struct ruleset *, unsigned base, enum test_packet packet);

#endif /* PARENT_RULESET_H */
