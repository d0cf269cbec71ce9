/* Packets to threads, by the kernel: see steering.h. */
#include "parent/steering.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/homes.h"

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

/* Of the packet, as a queue is asked for it: there is nothing before it. */
#define IPV4_DESTINATION     16
#define IPV6_DESTINATION_END 36 /* its last four bytes */

/* Of the two registers that calls and packet reads leave alone. */
#define PACKET BPF_REG_6
#define HOME   BPF_REG_7

#define EBPF(code_, dst, src, off_, imm_)                            \
	{                                                            \
		.code = (code_), .dst_reg = (dst), .src_reg = (src), \
		.off = (off_), .imm = (int32_t)(imm_),               \
	}
#define MOVE(to, from)     EBPF(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define AND_VALUE(to, v)   EBPF(BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, v)
#define OR_VALUE(to, v)    EBPF(BPF_ALU64 | BPF_OR | BPF_K, to, 0, 0, v)
#define ADD(to, from)      EBPF(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0)
#define ADD_VALUE(to, v)   EBPF(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, v)
#define RIGHT_VALUE(to, v) EBPF(BPF_ALU64 | BPF_RSH | BPF_K, to, 0, 0, v)
/* Into register 0, in the host's order; beyond the end the program is over. */
#define READ_PACKET(size, at)    EBPF(BPF_LD | BPF_ABS | (size), 0, 0, 0, at)
#define READ_BYTE(to, from)      EBPF(BPF_LDX | BPF_MEM | BPF_B, to, from, 0, 0)
#define UNLESS_EQUAL(r, v, skip) EBPF(BPF_JMP | BPF_JNE | BPF_K, r, 0, skip, v)
#define SKIP(n)                  EBPF(BPF_JMP | BPF_JA, 0, 0, n, 0)
#define EXIT                     EBPF(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int
bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int
make_homes(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = HOMES_SIZE,
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int
load_program(const struct bpf_insn *program, size_t count)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)program,
		.insn_cnt = (uint32_t)count,
		.license = (uintptr_t) "ISC",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

/* The queue of the home; the first one where there is none. */
static int
load_steering(int homes)
{
	const struct bpf_insn program[] = {
		MOVE(PACKET, BPF_REG_1),
		READ_PACKET(BPF_B, 0),
		RIGHT_VALUE(BPF_REG_0, 4), /* the version */
		UNLESS_EQUAL(BPF_REG_0, 4, 4),
		READ_PACKET(BPF_W, IPV4_DESTINATION),
		MOVE(HOME, BPF_REG_0),
		AND_VALUE(HOME, TUNNEL_BITS),
		SKIP(4),
		READ_PACKET(BPF_W, IPV6_DESTINATION_END),
		MOVE(HOME, BPF_REG_0),
		AND_VALUE(HOME, TUNNEL_BITS),
		OR_VALUE(HOME, TUNNEL_BITS + 1),
		/* The address of the table, in two instructions. */
		EBPF(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE,
		    0, homes),
		EBPF(0, 0, 0, 0, 0),
		ADD(BPF_REG_1, HOME),
		READ_BYTE(BPF_REG_0, BPF_REG_1),
		UNLESS_EQUAL(BPF_REG_0, 0, 1),
		EXIT,
		ADD_VALUE(BPF_REG_0, -1),
		EXIT,
	};

	return load_program(program, sizeof(program) / sizeof(program[0]));
}

int
steer_packets(int queue)
{
	int homes = make_homes(), program, r, error;

	if (homes == -1)
		return -1;
	program = load_steering(homes);
	r = program == -1 ? -1 : ioctl(queue, TUNSETSTEERINGEBPF, &program);
	error = errno;
	if (program != -1)
		close(program); /* the device keeps it */
	if (r == -1) {
		close(homes);
		errno = error;
		return -1;
	}
	return homes;
}
