/*
 * What connected clients cost, and whether anything costs more the more of them
 * there are: the data plane in this process, with clients that are played
 * (field.h). Figures are CPU time, without the system calls of a real gateway.
 * Prints a table, one column for each number of clients; asserts nothing but
 * that all went as it should.
 *
 * usage: bench_clients [NUMBER ...]	1 100 1000 10000 when not given
 */
#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/bench/field.h"

#define COLUMNS_MAX 8
#define SAMPLES     500 /* of everything that is done more than once */
#define SAMPLES_ALL 5   /* of what is done for all clients */
#define BELOW_COOKIES 50  /* initiations in a second */
#define SETTLE_S    30  /* until the last client is idle */
#define CHECKS_S    50  /* two of each */
#define IDLE_S      180 /* each client's handshake is in it */

enum row {
	ROW_MEMORY,
	ROW_MEMORY_EACH,
	ROW_IDLE,
	ROW_IDLE_CHECKS,
	ROW_X25519,
	ROW_CONNECT,
	ROW_AUTHORIZE,
	ROW_AUTHORIZE_MORE,
	ROW_REVOKE,
	ROW_REVOKE_LAST,
	ROW_FILTER,
	ROW_FILTER_ALL,
	ROW_CHECK,
	ROW_CHECK_FORGED,
	ROW_MAC1,
	ROW_UNKNOWN,
	ROW_UNKNOWN_FLOOD,
	ROWS
};

static const char *const titles[ROWS] = {
	[ROW_MEMORY] = "memory of all, MiB",
	[ROW_MEMORY_EACH] = "memory of each, KiB",
	[ROW_IDLE] = "all idle, % of a core",
	[ROW_IDLE_CHECKS] = "of that without handshakes, % of a core",
	[ROW_X25519] = "one X25519 of libsodium, us",
	[ROW_CONNECT] = "a handshake, us",
	[ROW_AUTHORIZE] = "authorizing one more client, us",
	[ROW_AUTHORIZE_MORE] = "one more resource for a client, us",
	[ROW_REVOKE] = "revoking one of its resources, us",
	[ROW_REVOKE_LAST] = "revoking its last one, us",
	[ROW_FILTER] = "filters of a resource of one client, us",
	[ROW_FILTER_ALL] = "filters of a resource of all, us a client",
	[ROW_CHECK] = "a stranger's STUN check, us",
	[ROW_CHECK_FORGED] = "the same by a client's user name, us",
	[ROW_MAC1] = "an initiation with a wrong MAC1, us",
	[ROW_UNKNOWN] = "an initiation with an unknown key, us",
	[ROW_UNKNOWN_FLOOD] = "one of too many, asked for a cookie, us",
};

static struct field field;

/* In bytes. */
static double
resident_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	must(f != NULL && fscanf(f, "%*u %lu", &pages) == 1, "statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static struct endpoint
stranger(uint32_t number)
{
	return (struct endpoint){
		ip_v4(192, 0, (uint8_t)(number >> 8), (uint8_t)number),
		50000,
	};
}

/* Checks that their password does not fit; format: of user names. */
static double
cost_of_check(const char *format)
{
	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint8_t data[FIELD_DATAGRAM];
		uint8_t transaction[STUN_TRANSACTION_LEN];
		struct endpoint from = stranger(i);
		char username[32];
		struct writer w;

		store_be32(transaction, i);
		memset(transaction + 4, 3, sizeof(transaction) - 4);
		snprintf(username, sizeof(username), format, i % field.count,
		    i % field.count);
		writer_init(&w, data, sizeof(data));
		stun_begin(&w, STUN_BINDING_REQUEST, transaction);
		stun_add_text(&w, STUN_USERNAME, username);
		stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
		stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
		stun_add_integrity(&w, "guess", 5);
		stun_add_fingerprint(&w);
		field_send(&field, &from, data, w.len);
	}
	return (double)field_deliver(&field) / SAMPLES / 1e3;
}

/* In a second; beyond 100 of them senders are asked for a cookie. */
static double
cost_of_initiation(bool wrong_mac1, uint32_t in_a_second)
{
	static const uint8_t psk[NOISE_KEY_LEN], timestamp[NOISE_TIMESTAMP_LEN];
	uint8_t message[MESSAGE_INITIATION_LEN];
	struct noise_identity unknown;
	struct noise_peer gateway;
	int64_t spent = 0;

	must(noise_identity_generate(&unknown) &&
		noise_peer_init(
		    &gateway, &unknown, dataplane_public_key(field.dp), psk),
	    "keys");
	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct endpoint from = stranger(i);

		must(noise_create_initiation(
			 &unknown, &gateway, i, timestamp, field.now, message),
		    "an initiation");
		if (wrong_mac1)
			message[MESSAGE_INITIATION_MAC1] ^= 1;
		field_send(&field, &from, message, sizeof(message));
		if ((i + 1) % in_a_second == 0) {
			spent += field_deliver(&field);
			field_pass(&field, in_a_second < SAMPLES ? 1000 : 0);
		}
	}
	return (double)spent / SAMPLES / 1e3;
}

static double
mean_us(int64_t (*sample)(uint32_t), unsigned count)
{
	int64_t spent = 0;

	for (uint32_t i = 0; i < count; i++)
		spent += sample(i);
	return (double)spent / count / 1e3;
}

/* One client more than there are, with a new key; it is gone again afterwards.
 */
static int64_t
authorize_another(void)
{
	struct field_client *more = &field.clients[field.count];

	memset(more, 0, sizeof(*more));
	more->number = field.count;
	must(noise_identity_generate(&more->identity), "keys");
	return field_authorize(&field, field.count, FIELD_COMMON);
}

static int64_t
authorize_last(uint32_t i)
{
	int64_t spent = authorize_another();

	(void)i;
	field_revoke(&field, field.count, FIELD_COMMON);
	return spent;
}

static int64_t
revoke_last(uint32_t i)
{
	(void)i;
	authorize_another();
	return field_revoke(&field, field.count, FIELD_COMMON);
}

static int64_t
revoke_one(uint32_t i)
{
	uint32_t client = i % field.count;
	int64_t spent = field_revoke(&field, client, client);

	field_authorize(&field, client, client);
	return spent;
}

static int64_t
authorize_more(uint32_t i)
{
	uint32_t client = i % field.count;

	field_revoke(&field, client, client);
	return field_authorize(&field, client, client);
}

static int64_t
change_filter(uint32_t i)
{
	return field_filter(&field, i % field.count, (uint16_t)(1000 + i));
}

static int64_t
change_filter_of_all(uint32_t i)
{
	return field_filter(&field, FIELD_COMMON, (uint16_t)(1000 + i));
}

/* What a handshake and an unknown key cannot cost less than. */
static double
cost_of_x25519(void)
{
	uint8_t point[32], scalar[32] = { 9 };
	int64_t begin;

	must(crypto_scalarmult_base(point, scalar) == 0, "X25519");
	begin = cpu_ns();
	for (unsigned i = 0; i < SAMPLES; i++)
		must(crypto_scalarmult(point, scalar, point) == 0, "X25519");
	return (double)(cpu_ns() - begin) / SAMPLES / 1e3;
}

static double
idle_percent(int64_t seconds)
{
	return (double)field_pass(&field, seconds * 1000) / (double)seconds /
	    1e7;
}

/* The column of so many clients; the order is that of the rows or near it. */
static void
measure(double *to, uint32_t clients)
{
	double before, empty;

	log_init_sink("bench", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	field_reserve(&field);
	before = resident_memory();
	field_start(&field);
	empty = resident_memory();
	while (field.count < clients)
		field_connect_next(&field);
	to[ROW_MEMORY] = (resident_memory() - before) / (1 << 20);
	to[ROW_MEMORY_EACH] = (resident_memory() - empty) / clients / 1024;
	to[ROW_CONNECT] = (double)field.handshakes_ns / clients / 1e3;
	to[ROW_X25519] = cost_of_x25519();
	field_pass(&field, SETTLE_S * 1000);
	to[ROW_IDLE] = idle_percent(IDLE_S);
	field.no_rekeys = true;
	to[ROW_IDLE_CHECKS] = idle_percent(CHECKS_S);
	to[ROW_AUTHORIZE] = mean_us(authorize_last, SAMPLES);
	to[ROW_AUTHORIZE_MORE] = mean_us(authorize_more, SAMPLES);
	to[ROW_REVOKE] = mean_us(revoke_one, SAMPLES);
	to[ROW_REVOKE_LAST] = mean_us(revoke_last, SAMPLES);
	to[ROW_FILTER] = mean_us(change_filter, SAMPLES);
	to[ROW_FILTER_ALL] =
	    mean_us(change_filter_of_all, SAMPLES_ALL) / clients;
	to[ROW_CHECK] = cost_of_check("none%x:c%05x");
	to[ROW_CHECK_FORGED] = cost_of_check("g%05x:c%05x");
	to[ROW_MAC1] = cost_of_initiation(true, SAMPLES);
	to[ROW_UNKNOWN] = cost_of_initiation(false, BELOW_COOKIES);
	cost_of_initiation(false, SAMPLES); /* now there are too many */
	to[ROW_UNKNOWN_FLOOD] = cost_of_initiation(false, SAMPLES);
	must(field.page.engine.connections_failed == 0 &&
		field.page.engine.clients == clients,
	    "clients went away");
}

/* Each in a process of its own: memory that was freed stays with it. */
static void
measure_apart(double *to, uint32_t clients)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		measure(to, clients);
		_exit(0);
	}
	must(child != -1 && waitpid(child, &status, 0) == child && status == 0,
	    "a column");
}

static void
print_table(double (*columns)[ROWS], const uint32_t *clients, size_t count)
{
	printf("%-42s", "connected clients");
	for (size_t i = 0; i < count; i++)
		printf(" %9u", clients[i]);
	printf("\n");
	for (size_t row = 0; row < ROWS; row++) {
		printf("%-42s", titles[row]);
		for (size_t i = 0; i < count; i++)
			printf(" %9.2f", columns[i][row]);
		printf("\n");
	}
}

int
main(int argc, char **argv)
{
	uint32_t clients[COLUMNS_MAX] = { 1, 100, 1000, 10000 };
	double(*columns)[ROWS];
	size_t count = 4;

	if (argc > COLUMNS_MAX + 1)
		errx(2, "at most %d numbers of clients", COLUMNS_MAX);
	if (argc > 1)
		count = (size_t)argc - 1;
	for (size_t i = 0; argc > 1 && i < count; i++) {
		clients[i] = (uint32_t)strtoul(argv[i + 1], NULL, 10);
		if (clients[i] == 0 || clients[i] >= FIELD_CLIENTS_MAX)
			errx(2, "not a number of clients: %s", argv[i + 1]);
	}
	columns = mmap(NULL, sizeof(*columns) * COLUMNS_MAX,
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(columns != MAP_FAILED, "memory");
	for (size_t i = 0; i < count; i++)
		measure_apart(columns[i], clients[i]);
	print_table(columns, clients, count);
	return 0;
}
