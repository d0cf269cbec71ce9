/* Packets to threads, by the kernel: see steering.h. */
#include "parent/steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

/* firezone-tunnel(7), Demultiplexing. */
#define DATA_MESSAGE          4
#define RECEIVER_OFFSET       4
#define CHANNEL_DATA_FIRST    0x40
#define CHANNEL_DATA_LAST     0x4f
#define CHANNEL_DATA_OVERHEAD 4
/* net-worker/dataplane/shard_commands.h, SESSION_SHARD(). */
#define SHARD_SHIFT 5

#define LOAD_BYTE(at)   BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (at))
#define RETURN_VALUE(v) BPF_STMT(BPF_RET | BPF_K, (v))
#define IF_EQUAL(v, otherwise) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), 0, (otherwise))
#define IF_AT_LEAST(v, otherwise) \
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (v), 0, (otherwise))
#define UNLESS_GREATER(v, otherwise) \
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (v), (otherwise), 0)

int
steer_datagrams(int fd, unsigned shards)
{
	/* A byte beyond the end ends the program with 0: the engine's. */
	struct sock_filter program[] = {
		LOAD_BYTE(0),
		IF_EQUAL(DATA_MESSAGE, 2),
		LOAD_BYTE(RECEIVER_OFFSET),
		BPF_STMT(BPF_JMP | BPF_JA, 5),
		IF_AT_LEAST(CHANNEL_DATA_FIRST, 8),
		UNLESS_GREATER(CHANNEL_DATA_LAST, 7),
		LOAD_BYTE(CHANNEL_DATA_OVERHEAD),
		IF_EQUAL(DATA_MESSAGE, 5),
		LOAD_BYTE(CHANNEL_DATA_OVERHEAD + RECEIVER_OFFSET),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, SHARD_SHIFT),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, shards),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
		RETURN_VALUE(0),
	};
	const struct sock_fprog p = {
		sizeof(program) / sizeof(program[0]),
		program,
	};

	return setsockopt(
	    fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof(p));
}
