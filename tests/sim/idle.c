/*
 * An hour in which a thousand connected clients, every other one without ICE,
 * have nothing to say (tests/bench/field.h). Each is asked by the gateway and
 * answered all the time, and in the end by its resource as well; the gateway
 * has lost none and made none anew, and the heap has not grown. The figures are
 * printed.
 *
 * usage: idle [CLIENTS [MINUTES]]
 */
#include <err.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "tests/bench/field.h"

#define SETTLE_S      30 /* until the last client is idle */
#define HANDSHAKE_S   180
#define CHECK_LATE_MS 27000 /* of one each 25 s */
#define HEAP_GROWTH   (64 << 10)

static struct field field;

static size_t
heap_in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void
connect_clients(uint32_t count)
{
	while (field.count < count) {
		field.iceless = field.count % 2 != 0;
		field_connect_next(&field);
	}
	field_pass(&field, SETTLE_S * 1000);
	for (uint32_t i = 0; i < count; i++)
		field.clients[i].longest_ms = 0;
}

/* What has not come since counts as well. */
static void
note_end(struct field_client *c)
{
	struct mono last = mono_min(c->asked, c->answered);
	int64_t ms = mono_ms_between(last, field.now);

	if (ms > c->longest_ms)
		c->longest_ms = ms;
}

static void
check_client(struct field_client *c)
{
	const char *mode = c->iceless ? " without ICE" : "";

	note_end(c);
	if (c->longest_ms > CHECK_LATE_MS)
		errx(1,
		    "client %u%s is not asked, or not answered, for %lld ms",
		    c->number, mode, (long long)c->longest_ms);
	if (!field_answers(&field, c->number))
		errx(1, "client %u%s does not reach its resource", c->number,
		    mode);
}

int
main(int argc, char **argv)
{
	uint32_t clients = 1000;
	int64_t minutes = 60, spent, growth;
	uint64_t handshakes;
	size_t heap;

	if (argc > 1)
		clients = (uint32_t)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		minutes = strtoll(argv[2], NULL, 10);
	if (argc > 3 || clients < 1 || clients > FIELD_CLIENTS_MAX ||
	    minutes < 1)
		errx(2, "usage: idle [CLIENTS [MINUTES]]");
	log_init_sink("idle", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	field_reserve(&field);
	field_start(&field);
	connect_clients(clients);
	handshakes = field.page.engine.handshakes;
	heap = heap_in_use();
	spent = field_pass(&field, minutes * 60000);
	growth = (int64_t)heap_in_use() - (int64_t)heap;
	handshakes = field.page.engine.handshakes - handshakes;
	/* The last one of a client may be just about to come. */
	must((int64_t)handshakes >= clients * (minutes * 60 / HANDSHAKE_S - 1),
	    "handshakes");
	must(growth <= HEAP_GROWTH, "memory");
	for (uint32_t i = 0; i < clients; i++)
		check_client(&field.clients[i]);
	must(field.page.engine.connections_failed == 0 &&
		field.page.engine.clients == clients,
	    "clients went away");
	printf("%u clients, half of them without ICE, idle for %lld minutes: "
	       "%llu handshakes, the heap %+lld bytes, %.1f s of a processor "
	       "for the data plane\n",
	    clients, (long long)minutes, (unsigned long long)handshakes,
	    (long long)growth, (double)spent / 1e9);
	return 0;
}
