/*
 * common/ipc.c against its own table: what ipc.def allows arrives, and nothing
 * else does. Every test runs over every message, made from the table as well,
 * so that a new line in it is tested by being there.
 */
#include "common/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/log.h"
#include "tests/lib/ipc_messages.h"
#include "tests/lib/ipc_pair.h"
#include "tests/lib/unit.h"

static const enum ipc_process processes[] = { IPC_PARENT, IPC_NET,
	IPC_CONTROL };

/* Some bytes more than a message may have, for those that are too long. */
static uint8_t message[IPC_MESSAGE_MAX + 4096];

static size_t
make(unsigned type, bool large, unsigned fault, unsigned *places)
{
	struct generator g = { .large = large, .fault = fault };

	writer_init(&g.w, message, sizeof(message));
	generate(&g, type);
	if (places != NULL)
		*places = g.places;
	return g.w.len;
}

/* One handler for all: counts, and keeps nothing. */
static unsigned handled[IPC_TYPE_COUNT];

#define CHECK_DESCRIPTOR_0
#define CHECK_DESCRIPTOR_1 assert_int_not_equal(m->fd, -1);
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)  \
	static void on_##name(void *ctx, struct ipc_##name *m) \
	{                                                      \
		(void)ctx;                                     \
		(void)m;                                       \
		handled[IPC_TYPE_##NAME]++;                    \
		CHECK_DESCRIPTOR_##fds                         \
	}
#include "common/ipc.def"

static const struct ipc_handlers handlers = {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) .name = on_##name,
#include "common/ipc.def"
};

/* As its legitimate receiver, in a state in which it is allowed. */
static struct pair
pair_for(unsigned type)
{
	const struct ipc_row *row = ipc_row(type);

	return pair_open(
	    row->receiver, row->sender, (row->rules & IPC_STARTING) == 0);
}

static enum ipc_result
deliver(struct pair *p, size_t len, int descriptors)
{
	send_raw(p->other, message, len, descriptors);
	return ipc_dispatch(p->channel, &handlers, NULL);
}

static void
sizes_are_those_of_the_fields(void **state)
{
	(void)state;
	assert_null(ipc_row(IPC_TYPE_NONE));
	assert_null(ipc_row(IPC_TYPE_COUNT));
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		assert_true(ipc_row(t)->min <= make(t, false, 0, NULL));
		assert_int_equal(ipc_row(t)->max, make(t, true, 0, NULL));
		assert_true(ipc_row(t)->max <= IPC_MESSAGE_MAX);
	}
}

static void
accepted_exactly_as_the_table_says(void **state)
{
	unsigned accepted = 0;

	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++)
		for (size_t s = 0; s < 3; s++)
			for (size_t r = 0; r < 3; r++)
				for (int running = 0; running < 2; running++) {
					const struct ipc_row *row = ipc_row(t);
					unsigned before = handled[t];
					enum ipc_result want = IPC_VIOLATION;
					struct pair p;

					if (s == r)
						continue;
					if (row->sender == processes[s] &&
					    row->receiver == processes[r] &&
					    (row->rules &
						(running ? IPC_RUNNING
							 : IPC_STARTING))) {
						want = IPC_HANDLED;
						accepted++;
					}
					p = pair_open(processes[r],
					    processes[s], running == 1);
					assert_int_equal(
					    deliver(&p, make(t, false, 0, NULL),
						row->fds),
					    want);
					assert_int_equal(handled[t] - before,
					    want == IPC_HANDLED);
					pair_close(&p);
				}
	assert_true(accepted >= IPC_TYPE_COUNT - 1);
}

static void
longest_messages_arrive(void **state)
{
	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		struct pair p = pair_for(t);

		assert_int_equal(
		    deliver(&p, make(t, true, 0, NULL), ipc_row(t)->fds),
		    IPC_HANDLED);
		pair_close(&p);
	}
}

static void
truncated_at_every_byte(void **state)
{
	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		size_t len = make(t, false, 0, NULL);

		for (size_t cut = 1; cut < len; cut++) {
			struct pair p = pair_for(t);

			assert_int_equal(
			    deliver(&p, cut, ipc_row(t)->fds), IPC_VIOLATION);
			pair_close(&p);
		}
	}
}

static void
one_byte_too_many(void **state)
{
	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++)
		for (int large = 0; large < 2; large++) {
			struct pair p = pair_for(t);
			size_t len = make(t, large == 1, 0, NULL);

			message[len] = 0;
			assert_int_equal(deliver(&p, len + 1, ipc_row(t)->fds),
			    IPC_VIOLATION);
			pair_close(&p);
		}
}

static void
every_malformed_field(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		unsigned places;

		(void)make(t, false, 0, &places);
		for (unsigned fault = 1; fault <= places; fault++, tried++) {
			struct pair p = pair_for(t);
			unsigned before = handled[t];
			size_t len = make(t, false, fault, NULL);

			if (deliver(&p, len, ipc_row(t)->fds) != IPC_VIOLATION)
				fail_msg("%s: fault %u was taken",
				    ipc_row(t)->name, fault);
			assert_int_equal(handled[t], before);
			pair_close(&p);
		}
	}
	assert_true(tried > 100);
}

/* Whoever is refused, again and again, leaves nothing behind. */
static unsigned
violate_in_every_way(void)
{
	unsigned tried = 0, places;

	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		const size_t len = make(t, false, 0, &places);
		/* Too short and with a descriptor too many, then each fault. */
		for (unsigned fault = 0; fault <= places + 1; fault++) {
			struct pair p = pair_for(t);
			int fds = ipc_row(t)->fds;
			size_t n = fault > places ? len - 1
						  : make(t, false, fault, NULL);

			assert_int_equal(
			    deliver(&p, n, fault == 0 ? fds + 1 : fds),
			    IPC_VIOLATION);
			pair_close(&p);
			tried++;
		}
	}
	return tried;
}

static void
violations_leave_nothing(void **state)
{
	unsigned tried = violate_in_every_way();
	const unsigned open_before = open_descriptors();
	const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;

	(void)state;
	while (tried < 10000)
		tried += violate_in_every_way();
	assert_int_equal(mallinfo2().uordblks + mallinfo2().hblkhd, before);
	assert_int_equal(open_descriptors(), open_before);
}

static void
wrong_number_of_descriptors(void **state)
{
	unsigned before = open_descriptors();

	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++)
		for (int n = 0; n <= 4; n++) {
			struct pair p = pair_for(t);
			size_t len = make(t, false, 0, NULL);

			assert_int_equal(deliver(&p, len, n),
			    n == ipc_row(t)->fds ? IPC_HANDLED : IPC_VIOLATION);
			pair_close(&p);
		}
	/* What was passed and not kept has been closed. */
	assert_int_equal(open_descriptors(), before);
}

static void
once_means_once(void **state)
{
	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		bool once = (ipc_row(t)->rules & IPC_ONCE) != 0;
		struct pair p = pair_for(t);
		size_t len = make(t, false, 0, NULL);

		assert_int_equal(
		    deliver(&p, len, ipc_row(t)->fds), IPC_HANDLED);
		assert_int_equal(deliver(&p, len, ipc_row(t)->fds),
		    once ? IPC_VIOLATION : IPC_HANDLED);
		pair_close(&p);
	}
}

static void
unknown_types(void **state)
{
	static const uint8_t none[] = { 0, 0 }, last[] = { 0xff, 0xff },
			     next[] = { 0, IPC_TYPE_COUNT }, half[] = { 0 };
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} cases[] = { { none, 2 }, { last, 2 }, { next, 2 }, { half, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pair p = pair_open(IPC_NET, IPC_CONTROL, true);

		send_raw(p.other, cases[i].bytes, cases[i].len, 0);
		assert_int_equal(
		    ipc_dispatch(p.channel, &handlers, NULL), IPC_VIOLATION);
		assert_non_null(
		    strstr(ipc_violation(p.channel), "control-worker"));
		pair_close(&p);
	}
}

static void
without_handler_is_a_violation(void **state)
{
	static const struct ipc_handlers nobody;

	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		struct pair p = pair_for(t);
		size_t len = make(t, false, 0, NULL);

		send_raw(p.other, message, len, ipc_row(t)->fds);
		assert_int_equal(
		    ipc_dispatch(p.channel, &nobody, NULL), IPC_VIOLATION);
		assert_non_null(
		    strstr(ipc_violation(p.channel), ipc_row(t)->name));
		pair_close(&p);
	}
}

static void
empty_and_closed(void **state)
{
	struct pair p = pair_open(IPC_NET, IPC_CONTROL, true);

	(void)state;
	assert_int_equal(ipc_dispatch(p.channel, &handlers, NULL), IPC_EMPTY);
	close(p.other);
	p.other = -1;
	assert_int_equal(ipc_dispatch(p.channel, &handlers, NULL), IPC_CLOSED);
	ipc_close(p.channel);
	ipc_close(NULL);
}

/*
 * Structures filled with a pattern, sent, and compared field by field with
 * what the handler is given.
 */

static void
fill(void *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (uint8_t)(0x21 + i % 0x5e);
}

static const struct ip_address some_ip = { IP_V6, { 0x20, 1, 0xd, 0xb8, 9 } };
static const struct ip_prefix some_net = { { IP_V4, { 192, 0, 2 } }, 24 };

#define FILL_u8(field, low, high) m->field = high;
#define FILL_u16(field)           m->field = 0xa1b2;
#define FILL_u32(field)           m->field = 0xa1b2c3d4;
#define FILL_u64(field)           m->field = 0xa1b2c3d4e5f60718;
#define FILL_flag(field)          m->field = true;
#define FILL_bytes(field, n)      fill(m->field, n);
#define FILL_uuid(field)          fill(m->field.bytes, 16);
#define FILL_ip(field)            m->field = some_ip;
#define FILL_endpoint(field)      m->field = (struct endpoint){ some_ip, 53 };
#define FILL_prefix(field)        m->field = some_net;
#define FILL_text(field, max) \
	fill(m->field, max);  \
	m->field[max] = '\0';
#define FILL_lines(field, max) \
	fill(m->field, max);   \
	m->field[5] = '\n';    \
	m->field[max] = '\0';
#define FILL_filters(field, max)           \
	m->field##_count = max;            \
	for (size_t i = 0; i < (max); i++) \
		m->field[i] = (struct filter){ FILTER_UDP, (uint16_t)i, 9 };
#define FILL_opaque(field, max) \
	m->field##_len = max;   \
	fill(m->field, max);
#define FILL_ips(field, max)               \
	m->field##_count = max;            \
	for (size_t i = 0; i < (max); i++) \
		m->field[i] = some_ip;
#define FILL_paths(field, max)             \
	m->field##_count = max;            \
	for (size_t i = 0; i < (max); i++) \
		m->field[i] =              \
		    (struct flow_path){ { some_ip, 1 }, { some_ip, 2 }, i };
#define FILL_DESCRIPTOR_0
#define FILL_DESCRIPTOR_1 m->fd = STDIN_FILENO;

#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	static void fill_##name(struct ipc_##name *m)         \
	{                                                     \
		(void)m;                                      \
		FILL_DESCRIPTOR_##fds
#define IPC_FIELD(kind, field, ...) FILL_##kind(field, ##__VA_ARGS__)
#define IPC_END(NAME, name)         }
#include "common/ipc.def"

#define SAME(field) assert_memory_equal(&m->field, &w->field, sizeof(m->field));
#define SAME_u8(field, low, high) SAME(field)
#define SAME_u16(field)           SAME(field)
#define SAME_u32(field)           SAME(field)
#define SAME_u64(field)           SAME(field)
#define SAME_flag(field)          SAME(field)
#define SAME_bytes(field, n)      SAME(field)
#define SAME_uuid(field)          SAME(field)
#define SAME_ip(field)            SAME(field)
#define SAME_endpoint(field) \
	SAME(field.ip)       \
	SAME(field.port)
#define SAME_prefix(field)     SAME(field)
#define SAME_text(field, max)  assert_string_equal(m->field, w->field);
#define SAME_lines(field, max) assert_string_equal(m->field, w->field);
#define SAME_filters(field, max)                                              \
	SAME(field##_count)                                                   \
	for (size_t i = 0; i < (max); i++) {                                  \
		assert_int_equal(m->field[i].protocol, w->field[i].protocol); \
		assert_int_equal(m->field[i].first, w->field[i].first);       \
		assert_int_equal(m->field[i].last, w->field[i].last);         \
	}
#define SAME_opaque(field, max) \
	SAME(field##_len)       \
	SAME(field)
#define SAME_ips(field, max) \
	SAME(field##_count)  \
	SAME(field)
#define SAME_paths(field, max)                                               \
	SAME(field##_count)                                                  \
	for (size_t i = 0; i < (max); i++) {                                 \
		assert_true(                                                 \
		    endpoint_equal(&m->field[i].from, &w->field[i].from));   \
		assert_true(                                                 \
		    endpoint_equal(&m->field[i].local, &w->field[i].local)); \
		assert_int_equal(m->field[i].at, w->field[i].at);            \
	}

#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)    \
	static void same_##name(void *ctx, struct ipc_##name *m) \
	{                                                        \
		const struct ipc_##name *w = ctx;                \
                                                                 \
		(void)m;                                         \
		(void)w;                                         \
		CHECK_DESCRIPTOR_##fds handled[IPC_TYPE_##NAME]++;
#define IPC_FIELD(kind, field, ...) SAME_##kind(field, ##__VA_ARGS__)
#define IPC_END(NAME, name)         }
#include "common/ipc.def"

static const struct ipc_handlers comparing = {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	.name = same_##name,
#include "common/ipc.def"
};

static void
what_is_sent_arrives(void **state)
{
	(void)state;
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)              \
	{                                                                  \
		static struct ipc_##name m;                                \
		struct pair p = pair_for(IPC_TYPE_##NAME);                 \
		struct ipc_channel *from =                                 \
		    ipc_open(p.other, IPC_##sender, IPC_##receiver);       \
		unsigned before = handled[IPC_TYPE_##NAME];                \
                                                                           \
		assert_non_null(from);                                     \
		if (ipc_is_running(p.channel))                             \
			ipc_set_running(from);                             \
		fill_##name(&m);                                           \
		assert_int_equal(ipc_send_##name(from, &m), 0);            \
		assert_int_equal(                                          \
		    ipc_dispatch(p.channel, &comparing, &m), IPC_HANDLED); \
		assert_int_equal(handled[IPC_TYPE_##NAME], before + 1);    \
		ipc_close(from);                                           \
		ipc_close(p.channel);                                      \
	}
#include "common/ipc.def"
}

/* In a child: sending it exits 1 by fatalx(), or not. */
static bool
sending_ends_the_process(unsigned type, struct ipc_channel *ch)
{
	int status, fd;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		static union {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	struct ipc_##name name;
#include "common/ipc.def"
		} m;

		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		(void)dup2(fd, STDOUT_FILENO);
		switch (type) {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	case IPC_TYPE_##NAME:                                 \
		fill_##name(&m.name);                         \
		(void)ipc_send_##name(ch, &m.name);           \
		break;
#include "common/ipc.def"
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

static void
forbidden_to_send_aborts(void **state)
{
	(void)state;
	for (unsigned t = 1; t < IPC_TYPE_COUNT; t++) {
		const struct ipc_row *row = ipc_row(t);

		for (int running = 0; running < 2; running++) {
			unsigned s = running ? IPC_RUNNING : IPC_STARTING;
			struct pair p =
			    pair_open(row->sender, row->receiver, running == 1);

			assert_int_equal(sending_ends_the_process(t, p.channel),
			    (row->rules & s) == 0);
			pair_close(&p);
			/* The wrong way round. */
			p = pair_open(row->receiver, row->sender, running == 1);
			assert_true(sending_ends_the_process(t, p.channel));
			pair_close(&p);
		}
	}
}

static uint64_t expected_serial;

static void
on_serial(void *ctx, struct ipc_acknowledged *m)
{
	(void)ctx;
	assert_int_equal(m->serial, expected_serial++);
}

static void
queue_is_bounded_and_in_order(void **state)
{
	static const struct ipc_handlers h = { .acknowledged = on_serial };
	struct ipc_acknowledged m = { 0 };
	struct pair p = pair_open(IPC_NET, IPC_CONTROL, true);
	struct ipc_channel *to = ipc_open(p.other, IPC_CONTROL, IPC_NET);
	uint64_t sent = 0;
	size_t memory;

	(void)state;
	assert_non_null(to);
	ipc_set_running(to);
	for (;; sent++) {
		m.serial = sent;
		if (ipc_send_acknowledged(p.channel, &m) == -1)
			break;
		assert_true(sent < 10 * IPC_QUEUE_MAX);
	}
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(ipc_backlog(p.channel), IPC_QUEUE_MAX);
	/* What is refused from now on costs nothing. */
	memory = mallinfo2().uordblks;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ipc_send_acknowledged(p.channel, &m), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(ipc_backlog(p.channel), IPC_QUEUE_MAX);
	assert_int_equal(mallinfo2().uordblks, memory);
	expected_serial = 0;
	while (expected_serial < sent) {
		while (ipc_dispatch(to, &h, NULL) == IPC_HANDLED)
			continue;
		assert_int_equal(ipc_flush(p.channel), 0);
	}
	assert_int_equal(ipc_backlog(p.channel), 0);
	ipc_close(to);
	m.serial = sent;
	assert_int_equal(ipc_send_acknowledged(p.channel, &m), -1);
	assert_int_equal(errno, EPIPE);
	ipc_close(p.channel);
}

/* As many as fit, whatever their number; taken out, they make room again. */
static void
queue_is_bounded_in_bytes(void **state)
{
	static struct ipc_local_candidates m = { 0 };
	struct pair p = pair_open(IPC_NET, IPC_CONTROL, true);
	struct ipc_channel *to = ipc_open(p.other, IPC_CONTROL, IPC_NET);
	const size_t len = ipc_row(IPC_TYPE_LOCAL_CANDIDATES)->max;
	static const struct ipc_acknowledged small = { 0 };
	unsigned before = handled[IPC_TYPE_LOCAL_CANDIDATES];
	size_t waiting, memory;

	(void)state;
	assert_non_null(to);
	ipc_set_running(to);
	memset(m.lines, 'x', sizeof(m.lines) - 1);
	memory = mallinfo2().uordblks + mallinfo2().hblkhd;
	while (ipc_send_local_candidates(p.channel, &m) == 0)
		assert_true(ipc_backlog(p.channel) < IPC_QUEUE_MAX);
	assert_int_equal(errno, ENOBUFS);
	waiting = ipc_backlog(p.channel);
	assert_int_equal(waiting, IPC_QUEUE_LEN_MAX / len);
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd <
	    memory + IPC_QUEUE_LEN_MAX + 64 * waiting);
	/* What is small enough still fits. */
	assert_int_equal(ipc_send_acknowledged(p.channel, &small), 0);
	assert_int_equal(ipc_send_local_candidates(p.channel, &m), -1);
	while (ipc_backlog(p.channel) > waiting / 2) {
		assert_int_equal(
		    ipc_dispatch(to, &handlers, NULL), IPC_HANDLED);
		assert_int_equal(ipc_flush(p.channel), 0);
	}
	while (ipc_backlog(p.channel) < waiting)
		assert_int_equal(ipc_send_local_candidates(p.channel, &m), 0);
	assert_true(handled[IPC_TYPE_LOCAL_CANDIDATES] > before);
	ipc_close(to);
	ipc_close(p.channel);
}

static void
queued_message_keeps_its_descriptor(void **state)
{
	const struct ipc_net_tun tun = { .fd = STDIN_FILENO, .queue = 1 };
	const struct ipc_net_start start = {};
	struct pair p = pair_open(IPC_PARENT, IPC_NET, false);
	unsigned before = open_descriptors();

	(void)state;
	while (ipc_backlog(p.channel) < 10)
		assert_int_equal(ipc_send_net_tun(p.channel, &tun), 0);
	assert_int_equal(ipc_send_net_start(p.channel, &start), 0);
	assert_int_equal(open_descriptors(), before + 10);
	pair_close(&p);
	assert_int_equal(open_descriptors(), before - 2);
}

static void
too_long_to_send(void **state)
{
	static struct ipc_control_token m = { 0 };
	struct pair p = pair_open(IPC_PARENT, IPC_CONTROL, false);

	(void)state;
	memset(m.token, 'x', sizeof(m.token)); /* no terminator */
	assert_int_equal(ipc_send_control_token(p.channel, &m), -1);
	assert_int_equal(errno, EMSGSIZE);
	m.token[sizeof(m.token) - 1] = '\0';
	assert_int_equal(ipc_send_control_token(p.channel, &m), 0);
	pair_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_those_of_the_fields),
		cmocka_unit_test(accepted_exactly_as_the_table_says),
		cmocka_unit_test(longest_messages_arrive),
		cmocka_unit_test(truncated_at_every_byte),
		cmocka_unit_test(one_byte_too_many),
		cmocka_unit_test(every_malformed_field),
		cmocka_unit_test(violations_leave_nothing),
		cmocka_unit_test(wrong_number_of_descriptors),
		cmocka_unit_test(once_means_once),
		cmocka_unit_test(unknown_types),
		cmocka_unit_test(without_handler_is_a_violation),
		cmocka_unit_test(empty_and_closed),
		cmocka_unit_test(what_is_sent_arrives),
		cmocka_unit_test(forbidden_to_send_aborts),
		cmocka_unit_test(queue_is_bounded_and_in_order),
		cmocka_unit_test(queue_is_bounded_in_bytes),
		cmocka_unit_test(queued_message_keeps_its_descriptor),
		cmocka_unit_test(too_long_to_send),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
