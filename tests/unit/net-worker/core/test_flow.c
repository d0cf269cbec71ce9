/*
 * net-worker/core/flow.c: the rules (firezone-policy(7), Flows and Flow life)
 * as scripts of packets and the reports that must come of them, the limits of
 * the table, and random traffic against a model.
 *
 * A script is a list of lines "MS WHAT ...", MS being the time:
 *
 *	MS tx FLAGS BYTES PATH	client to resource; FLAGS of FSRA, "-" for none
 *				or U for UDP; PATH is a digit, 0 if left out
 *	MS rx FLAGS BYTES	resource to client
 *	MS tick			flow_timeout
 *	MS stop			flow_close_all
 *
 * And reports are such lists, too:
 *
 *	open MS
 *	close MS END LAST tx PACKETS/BYTES rx PACKETS/BYTES PATH@MS ...
 */
#include "net-worker/core/flow.h"

#include "tests/lib/packets.h"

#define BASE_NS 5000000000

static const struct uuid client = { { 0xc1 } };
static const struct uuid resource = { { 0x4e } };
static const struct uuid authorization = { { 0xa0 } };

static struct mono
at_ms(int64_t ms)
{
	return mono_add_ms((struct mono){ BASE_NS }, ms);
}

static int64_t
ms_of(struct mono t)
{
	return mono_ms_between((struct mono){ BASE_NS }, t);
}

static struct flow_context
context_of(const char *domain)
{
	return (struct flow_context){
		.peer = 7,
		.client = client,
		.resource = resource,
		.authorization = authorization,
		.domain = domain,
	};
}

static struct endpoint
endpoint(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static struct flow_tuple
tuple_of(const char *client_text, const char *remote)
{
	return (struct flow_tuple){ endpoint(client_text), endpoint(remote) };
}

static uint8_t
flags_of(const char *text)
{
	static const char names[] = "FSRPA";
	uint8_t flags = 0;

	for (; *text != '\0' && *text != '-'; text++)
		flags |= (uint8_t)(1u << (strchr(names, *text) - names));
	return flags;
}

/* A segment or datagram, at data, with so much payload. */
static struct packet
transport(uint8_t *data, const struct endpoint *from, const struct endpoint *to,
    const char *flags, size_t payload)
{
	bool tcp = *flags != 'U';
	uint8_t message[1300] = { 0 };
	size_t header = tcp ? 20 : 8;

	store_be16(message, from->port);
	store_be16(message + 2, to->port);
	if (tcp) {
		message[12] = 5 << 4;
		message[13] = flags_of(flags);
	} else {
		store_be16(message + 4, (uint16_t)(8 + payload));
	}
	return parsed(data,
	    build_ip(data, &from->ip, &to->ip, tcp ? IPPROTO_TCP : IPPROTO_UDP,
		message, header + payload));
}

static void
send_on(struct flow_table *t, struct mono now, const struct flow_context *c,
    const struct flow_tuple *tuple, const char *flags, size_t payload,
    uint16_t path)
{
	struct endpoint from = endpoint("198.51.100.1:1000");
	struct endpoint local = endpoint("192.0.2.1:52625");
	uint8_t data[2048];
	struct packet p =
	    transport(data, &tuple->client, &tuple->remote, flags, payload);

	from.port = (uint16_t)(from.port + path);
	flow_outbound(t, now, c, &p, &from, &local);
}

static void
send_back(struct flow_table *t, struct mono now, uint32_t peer,
    const struct uuid *of, const struct flow_tuple *tuple, const char *flags,
    size_t payload)
{
	uint8_t data[2048];
	struct packet p =
	    transport(data, &tuple->remote, &tuple->client, flags, payload);

	flow_inbound(t, now, peer, of, tuple, &p);
}

/* Scripts. */

struct script {
	const char *name, *lines, *reports;
};

static const struct script scripts[] = {
	{ "UDP: any packet opens, more than 120 s without one close",
	    "0 tx U 10; 1000 rx U 5; 2000 tx U 1; 121000 tick; 122000 tick;"
	    "122001 tick",
	    "open 0; close 0 122001 2000 tx 2/11 rx 1/5 0@0" },
	{ "Inbound packets put the end off, too",
	    "0 tx U 1; 100000 rx U 2; 219999 tick; 220000 tick; 220001 tick",
	    "open 0; close 0 220001 100000 tx 1/1 rx 1/2 0@0" },
	{ "An inbound packet opens nothing",
	    "0 rx U 9; 1 rx S 0; 2 rx A 9; 3 tick; 4 stop", "" },
	{ "UDP: without data", "0 tx U 0; 1 stop",
	    "open 0; close 0 1 0 tx 1/0 rx 0/0 0@0" },
	{ "Shutdown: ends now", "0 tx U 3; 50 tx S 0; 60 tx A 4; 777 stop",
	    "open 0; open 50; close 0 777 0 tx 1/3 rx 0/0 0@0;"
	    "close 50 777 60 tx 2/4 rx 0/0 0@50" },
	{ "Shutdown: a finished flow ends now, too",
	    "0 tx S 0; 1 tx FA 0; 2 rx FA 0; 3 stop",
	    "open 0; close 0 3 2 tx 2/0 rx 1/0 0@0" },

	{ "TCP: FIN opens nothing", "0 tx F 0; 1 tx FA 9; 2 tx SF 0", "" },
	{ "TCP: RST opens nothing", "0 tx R 0; 1 tx RA 9; 2 tx SR 0", "" },
	{ "TCP: a bare ACK opens nothing", "0 tx A 0; 1 tx PA 0", "" },
	{ "TCP: SYN opens", "0 tx S 0", "open 0" },
	{ "TCP: SYN and ACK open", "0 tx SA 0", "open 0" },
	{ "TCP: an ACK with data opens", "0 tx A 1", "open 0" },
	{ "TCP: no flag at all opens", "0 tx - 0", "open 0" },

	{ "TCP: RST from the client closes at once, and counts",
	    "0 tx S 0; 5 tx RA 3; 6 tx A 0; 7 rx A 9",
	    "open 0; close 0 5 5 tx 2/3 rx 0/0 0@0" },
	{ "TCP: RST from the resource closes at once, and counts",
	    "0 tx S 0; 5 rx RA 3; 6 rx A 9",
	    "open 0; close 0 5 5 tx 1/0 rx 1/3 0@0" },
	{ "TCP: after RST the next SYN is a new flow",
	    "0 tx S 0; 5 rx RA 0; 6 tx S 0",
	    "open 0; close 0 5 5 tx 1/0 rx 1/0 0@0; open 6" },

	{ "TCP: FINs of both sides close at a tick, at the last packet",
	    "0 tx S 0; 1 rx SA 0; 2 tx A 10; 3 tx FA 0; 4 rx FA 20; 6 tx A 0;"
	    "1000 tick; 1003 tick; 1004 tick; 9999 tick",
	    "open 0; close 0 6 6 tx 4/10 rx 2/20 0@0" },
	{ "TCP: FINs the other way round",
	    "0 tx S 0; 1 rx FA 0; 2 tx FA 0; 3 rx A 0; 1002 tick",
	    "open 0; close 0 3 3 tx 2/0 rx 2/0 0@0" },
	{ "TCP: the FIN of one side closes nothing",
	    "0 tx S 0; 1 tx FA 0; 5000 tick; 120001 tick; 120002 tick",
	    "open 0; close 0 120002 1 tx 2/0 rx 0/0 0@0" },
	{ "TCP: nor does it from the other side",
	    "0 tx S 0; 1 rx FA 0; 2 rx FA 0; 5000 tick", "open 0" },
	{ "TCP: idle comes before finished",
	    "0 tx S 0; 1 tx FA 0; 2 rx FA 0; 120003 tick",
	    "open 0; close 0 120003 2 tx 2/0 rx 1/0 0@0" },
	{ "TCP: finished, but not yet idle",
	    "0 tx S 0; 1 tx FA 0; 2 rx FA 0; 120002 tick",
	    "open 0; close 0 2 2 tx 2/0 rx 1/0 0@0" },
	{ "TCP: a finished flow is closed by RST at once",
	    "0 tx S 0; 1 tx FA 0; 2 rx FA 0; 9 rx R 0; 2000 tick",
	    "open 0; close 0 9 9 tx 2/0 rx 2/0 0@0" },
	{ "TCP: a finished flow is split by SYN",
	    "0 tx S 0; 1 tx FA 0; 2 rx FA 0; 9 tx S 0; 2000 tick",
	    "open 0; close 0 9 2 tx 2/0 rx 1/0 0@0; open 9" },

	{ "TCP: a repeated SYN is the same flow",
	    "0 tx S 0; 1000 tx S 0; 1001 rx SA 0; 1002 tx S 0; 2000 stop",
	    "open 0; close 0 2000 1002 tx 3/0 rx 1/0 0@0" },
	{ "TCP: SYN after another segment is a new flow",
	    "0 tx S 0; 1 rx SA 0; 2 tx A 7; 9 tx S 1; 10 rx SA 0; 20 stop",
	    "open 0; close 0 9 2 tx 2/7 rx 1/0 0@0; open 9;"
	    "close 9 20 10 tx 1/1 rx 1/0 0@9" },
	{ "TCP: so it is where the flow did not begin with SYN",
	    "0 tx A 7; 9 tx S 0",
	    "open 0; close 0 9 0 tx 1/7 rx 0/0 0@0; open 9" },
	{ "TCP: and SYN with ACK", "0 tx S 0; 1 tx A 0; 2 tx SA 0",
	    "open 0; close 0 2 1 tx 2/0 rx 0/0 0@0; open 2" },
	{ "TCP: the resource's segments do not count as another segment",
	    "0 tx S 0; 1 rx A 5; 9 tx S 0; 10 stop",
	    "open 0; close 0 10 9 tx 2/0 rx 1/5 0@0" },
	{ "TCP: nor does the resource's SYN split",
	    "0 tx S 0; 1 tx A 0; 2 rx S 0; 10 stop",
	    "open 0; close 0 10 2 tx 2/0 rx 1/0 0@0" },

	{ "Paths: a change is appended, and one may come again",
	    "0 tx U 1 0; 1 tx U 1 1; 2 tx U 1 1; 3 tx U 1 0; 4 rx U 1; 5 stop",
	    "open 0; close 0 5 4 tx 4/4 rx 1/1 0@0 1@1 0@3" },
	{ "Paths: sixteen are one flow, the next one is another",
	    "0 tx U 1 0; 1 tx U 1 1; 2 tx U 1 2; 3 tx U 1 3; 4 tx U 1 4;"
	    "5 tx U 1 5; 6 tx U 1 6; 7 tx U 1 7; 8 tx U 1 8; 9 tx U 1 9;"
	    "10 tx U 1 0; 11 tx U 1 1; 12 tx U 1 2; 13 tx U 1 3; 14 tx U 1 4;"
	    "15 tx U 1 5; 16 tx U 1 5; 17 tx U 9 6; 18 tx U 1 7; 20 stop",
	    "open 0; close 0 17 16 tx 17/17 rx 0/0 0@0 1@1 2@2 3@3 4@4 5@5 6@6"
	    " 7@7 8@8 9@9 0@10 1@11 2@12 3@13 4@14 5@15; open 17;"
	    "close 17 20 18 tx 2/10 rx 0/0 6@17 7@18" },
	{ "Paths: the split comes before the rules for FIN, and notes it",
	    "0 tx S 1 0; 1 tx A 1 1; 2 tx A 1 2; 3 tx A 1 3; 4 tx A 1 4;"
	    "5 tx A 1 5; 6 tx A 1 6; 7 tx A 1 7; 8 tx A 1 8; 9 tx A 1 9;"
	    "10 tx A 1 0; 11 tx A 1 1; 12 tx A 1 2; 13 tx A 1 3; 14 tx A 1 4;"
	    "15 tx A 1 5; 16 tx FA 0 6; 17 rx FA 0; 1017 tick",
	    "open 0; close 0 16 15 tx 16/16 rx 0/0 0@0 1@1 2@2 3@3 4@4 5@5 6@6"
	    " 7@7 8@8 9@9 0@10 1@11 2@12 3@13 4@14 5@15; open 16;"
	    "close 16 17 17 tx 1/0 rx 1/0 6@16" },
	{ "Paths: so with RST, which closes the new flow",
	    "0 tx S 1 0; 1 tx A 1 1; 2 tx A 1 2; 3 tx A 1 3; 4 tx A 1 4;"
	    "5 tx A 1 5; 6 tx A 1 6; 7 tx A 1 7; 8 tx A 1 8; 9 tx A 1 9;"
	    "10 tx A 1 0; 11 tx A 1 1; 12 tx A 1 2; 13 tx A 1 3; 14 tx A 1 4;"
	    "15 tx A 1 5; 16 tx RA 0 6",
	    "open 0; close 0 16 15 tx 16/16 rx 0/0 0@0 1@1 2@2 3@3 4@4 5@5 6@6"
	    " 7@7 8@8 9@9 0@10 1@11 2@12 3@13 4@14 5@15; open 16;"
	    "close 16 16 16 tx 1/0 rx 0/0 6@16" },
	{ "TCP and UDP of the same ports are two flows",
	    "0 tx U 1; 1 tx S 0; 2 rx U 5; 3 rx SA 0; 4 stop",
	    "open 0; open 1; close 0 4 2 tx 1/1 rx 1/5 0@0;"
	    "close 1 4 3 tx 1/0 rx 1/0 0@1" },
};

static void
run_line(struct flow_table *t, const char *line)
{
	struct flow_tuple tuple = tuple_of("100.64.0.2:4000", "10.0.0.9:443");
	struct flow_context context = context_of(NULL);
	char what[8], flags[8];
	unsigned bytes = 0, path = 0;
	long ms;
	int n =
	    sscanf(line, " %ld %7s %7s %u %u", &ms, what, flags, &bytes, &path);

	assert_true(n >= 2);
	if (strcmp(what, "tick") == 0)
		flow_timeout(t, at_ms(ms));
	else if (strcmp(what, "stop") == 0)
		flow_close_all(t, at_ms(ms));
	else if (strcmp(what, "tx") == 0)
		send_on(t, at_ms(ms), &context, &tuple, flags, bytes,
		    (uint16_t)path);
	else if (strcmp(what, "rx") == 0)
		send_back(t, at_ms(ms), 7, &resource, &tuple, flags, bytes);
	else
		fail_msg("%s", line);
}

static size_t
print_report(const struct flow_report *r, char *to, size_t size)
{
	size_t n;

	if (!r->closed)
		return (size_t)snprintf(
		    to, size, "open %lld", (long long)ms_of(r->started));
	n = (size_t)snprintf(to, size,
	    "close %lld %lld %lld tx %llu/%llu rx %llu/%llu",
	    (long long)ms_of(r->started), (long long)ms_of(r->ended),
	    (long long)ms_of(r->last_packet), (unsigned long long)r->tx_packets,
	    (unsigned long long)r->tx_bytes, (unsigned long long)r->rx_packets,
	    (unsigned long long)r->rx_bytes);
	for (size_t i = 0; i < r->path_count; i++)
		n += (size_t)snprintf(to + n, size - n, " %d@%lld",
		    r->paths[i].from.port - 1000,
		    (long long)ms_of(r->paths[i].at));
	return n;
}

static void
run_script(const struct script *s)
{
	char lines[1024], want[1024], got[1024], *rest, *line;
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	assert_non_null(t);
	strlcpy(lines, s->lines, sizeof(lines));
	rest = lines;
	while ((line = strsep(&rest, ";")) != NULL)
		run_line(t, line);
	strlcpy(want, s->reports, sizeof(want));
	rest = want;
	while ((line = strsep(&rest, ";")) != NULL && *line != '\0') {
		line += strspn(line, " ");
		if (!flow_report(t, &r))
			fail_msg("%s: missing: %s", s->name, line);
		print_report(&r, got, sizeof(got));
		if (strcmp(got, line) != 0)
			fail_msg("%s: %s, not %s", s->name, got, line);
	}
	if (flow_report(t, &r)) {
		print_report(&r, got, sizeof(got));
		fail_msg("%s: too much: %s", s->name, got);
	}
	flow_table_free(t);
}

static void
follows_the_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		run_script(&scripts[i]);
}

/* What a report says. */

static void
expect(struct flow_table *t, struct flow_report *r, bool closed)
{
	assert_true(flow_report(t, r));
	assert_int_equal(r->closed, closed);
}

static void
reports_everything(void **state)
{
	struct flow_tuple tuple =
	    tuple_of("[fd00:2021:1111::2]:4000", "[2001:db8::9]:443");
	struct flow_context context = context_of("www.example.com");
	struct endpoint from = endpoint("198.51.100.1:1000");
	struct endpoint local = endpoint("192.0.2.1:52625");
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	send_on(t, at_ms(0), &context, &tuple, "S", 0, 0);
	/* What the flow began with is what counts. */
	context.domain = "other.example.com";
	context.authorization.bytes[0]++;
	context.client.bytes[0]++;
	send_on(t, at_ms(1), &context, &tuple, "A", 5, 1);
	send_back(t, at_ms(2), 7, &resource, &tuple, "R", 6);
	for (int closed = 0; closed <= 1; closed++) {
		expect(t, &r, closed);
		assert_true(uuid_equal(&r.client, &client));
		assert_true(uuid_equal(&r.resource, &resource));
		assert_true(uuid_equal(&r.authorization, &authorization));
		assert_int_equal(r.protocol, IPPROTO_TCP);
		assert_true(endpoint_equal(&r.source, &tuple.client));
		assert_true(endpoint_equal(&r.destination, &tuple.remote));
		assert_string_equal(r.domain, "www.example.com");
		assert_int_equal(ms_of(r.started), 0);
		assert_int_equal(r.path_count, 1 + closed);
		assert_true(endpoint_equal(&r.paths[0].from, &from));
		assert_true(endpoint_equal(&r.paths[0].local, &local));
		assert_int_equal(r.tx_packets, 2 * closed);
		assert_int_equal(r.tx_bytes, 5 * closed);
		assert_int_equal(r.rx_packets, closed);
		assert_int_equal(r.rx_bytes, 6 * closed);
		assert_int_equal(r.last_packet.ns, closed ? at_ms(2).ns : 0);
		assert_int_equal(r.ended.ns, closed ? at_ms(2).ns : 0);
	}
	assert_false(flow_report(t, &r));
	flow_table_free(t);
}

/* A change of our own address is a change of the path, too. */
static void
notices_either_end_of_a_path(void **state)
{
	struct flow_tuple tuple = tuple_of("100.64.0.2:4000", "10.0.0.9:443");
	struct flow_context context = context_of(NULL);
	struct endpoint paths[][2] = {
		{ endpoint("198.51.100.1:1"), endpoint("192.0.2.1:1") },
		{ endpoint("198.51.100.1:1"), endpoint("192.0.2.1:2") },
		{ endpoint("198.51.100.1:1"), endpoint("192.0.2.2:2") },
		{ endpoint("198.51.100.2:1"), endpoint("192.0.2.2:2") },
		{ endpoint("[2001:db8::1]:1"), endpoint("192.0.2.2:2") },
	};
	struct flow_table *t = flow_table_new();
	uint8_t data[2048];
	struct packet p = transport(data, &tuple.client, &tuple.remote, "U", 1);
	struct flow_report r;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		flow_outbound(
		    t, at_ms(0), &context, &p, &paths[i][0], &paths[i][1]);
	flow_close_all(t, at_ms(0));
	expect(t, &r, false);
	expect(t, &r, true);
	assert_int_equal(r.path_count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_true(endpoint_equal(&r.paths[i].from, &paths[i][0]));
		assert_true(endpoint_equal(&r.paths[i].local, &paths[i][1]));
	}
	flow_table_free(t);
}

static void
copies_domains(void **state)
{
	static const size_t lengths[] = { 0, 1, 254, 255, 256, 300, 0, 3 };
	struct flow_tuple tuple = tuple_of("100.64.0.2:4000", "10.0.0.9:443");
	struct flow_table *t = flow_table_new();
	struct flow_context context;
	struct flow_report r;
	char domain[512];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(domain, 'a', sizeof(domain));
		domain[lengths[i]] = '\0';
		context = context_of(i == 6 ? NULL : domain);
		/* Each one in the place of the one before it. */
		send_on(t, at_ms(0), &context, &tuple, "S", 0, 0);
		send_on(t, at_ms(0), &context, &tuple, "R", 0, 0);
		memset(domain, 'b', sizeof(domain));
		for (int closed = 0; closed <= 1; closed++) {
			expect(t, &r, closed);
			assert_int_equal(strlen(r.domain),
			    lengths[i] > 255 ? 255 : lengths[i]);
			assert_int_equal(
			    strspn(r.domain, "a"), strlen(r.domain));
		}
	}
	flow_table_free(t);
}

/* Headers of other lengths than the usual: only what follows them counts. */
static void
counts_payload_only(void **state)
{
	/* IPv4 with 4 bytes of options, TCP with 12 of them, 3 of data. */
	static const char tcp[] =
	    "4600003b 00000000 4006 0000 64400002 0a000009 01010101"
	    "0fa001bb 00000000 00000000 8018 0000 0000 0000"
	    "010101010101010101010101 aabbcc";
	/* IPv6 with an extension header of 8 bytes, UDP with 5 of data. */
	static const char udp[] =
	    "60000000 0015 3c 40 fd002021111100000000000000000002"
	    "20010db8000000000000000000000009 1100010400000000"
	    "0fa001bb 000d 0000 aabbccddee";
	struct endpoint e = endpoint("192.0.2.1:1");
	struct flow_context context = context_of(NULL);
	struct flow_table *t = flow_table_new();
	struct flow_report r;
	uint8_t data[2048];
	struct packet p;

	(void)state;
	p = parsed(data, unhex(tcp, data, sizeof(data)));
	flow_outbound(t, at_ms(0), &context, &p, &e, &e);
	p = parsed(data, unhex(udp, data, sizeof(data)));
	flow_outbound(t, at_ms(1), &context, &p, &e, &e);
	flow_close_all(t, at_ms(2));
	expect(t, &r, false);
	expect(t, &r, false);
	expect(t, &r, true);
	assert_int_equal(r.tx_bytes, 3);
	expect(t, &r, true);
	assert_int_equal(r.tx_bytes, 5);
	flow_table_free(t);
}

static void
ignores_other_protocols(void **state)
{
	struct flow_tuple tuple = tuple_of("100.64.0.2:0", "10.0.0.9:0");
	struct flow_context context = context_of(NULL);
	struct flow_table *t = flow_table_new();
	struct flow_report r;
	uint8_t data[2048];
	size_t len;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct packet p;

		if (kind == 0)
			len = build_icmp(data, &tuple.client.ip,
			    &tuple.remote.ip, 8, 0, 1, NULL, 0);
		else if (kind == 1)
			len = build_icmp(data, &tuple.client.ip,
			    &tuple.remote.ip, 13, 0, 1, NULL, 0);
		else
			len = build_ip(data, &tuple.client.ip, &tuple.remote.ip,
			    47, "gre", 3);
		p = parsed(data, len);
		flow_outbound(
		    t, at_ms(0), &context, &p, &tuple.remote, &tuple.client);
		flow_inbound(t, at_ms(0), 7, &resource, &tuple, &p);
	}
	assert_false(flow_report(t, &r));
	assert_true(mono_is_never(flow_deadline(t)));
	flow_table_free(t);
}

/* Each part of the key tells flows apart, in both directions. */
static void
keeps_flows_apart(void **state)
{
	struct flow_tuple tuples[6];
	struct flow_context contexts[8];
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		contexts[i] = context_of(NULL);
	tuples[0] = tuple_of("100.64.0.2:4000", "10.0.0.9:443");
	tuples[1] = tuple_of("100.64.0.3:4000", "10.0.0.9:443");
	tuples[2] = tuple_of("100.64.0.2:4001", "10.0.0.9:443");
	tuples[3] = tuple_of("100.64.0.2:4000", "10.0.0.8:443");
	tuples[4] = tuple_of("100.64.0.2:4000", "10.0.0.9:444");
	/* The same bytes in front, but of the other family. */
	tuples[5] = tuple_of("[6440:2::]:4000", "[a00:9::]:443");
	contexts[6].peer++;
	contexts[7].resource.bytes[15]++;
	for (size_t i = 0; i < 8; i++)
		send_on(t, at_ms((int64_t)i), &contexts[i],
		    &tuples[i < 6 ? i : 0], "U", i, 0);
	for (size_t i = 0; i < 8; i++)
		send_back(t, at_ms(10), contexts[i].peer, &contexts[i].resource,
		    &tuples[i < 6 ? i : 0], "U", 100 + i);
	flow_close_all(t, at_ms(20));
	for (size_t i = 0; i < 8; i++)
		expect(t, &r, false);
	for (size_t i = 0; i < 8; i++) {
		expect(t, &r, true);
		assert_int_equal(r.tx_bytes, r.started.ns / 1000000 - 5000);
		assert_int_equal(r.rx_bytes, 100 + r.tx_bytes);
	}
	assert_false(flow_report(t, &r));
	flow_table_free(t);
}

/* Limits. */

static struct flow_tuple
nth_tuple(uint32_t n)
{
	struct flow_tuple tuple = tuple_of("100.64.0.2:1", "10.0.0.9:443");

	tuple.client.port = (uint16_t)n;
	return tuple;
}

static void
peer_sends_nth(
    struct flow_table *t, int64_t ms, uint32_t peer, uint32_t n, uint16_t path)
{
	struct flow_context context = context_of("full.example.com");
	struct flow_tuple tuple = nth_tuple(n);

	context.peer = peer;
	send_on(t, at_ms(ms), &context, &tuple, "U", 1, path);
}

/* Of so many clients that none has more than its share. */
static void
send_nth(struct flow_table *t, int64_t ms, uint32_t n, uint16_t path)
{
	peer_sends_nth(t, ms, n % 16, n, path);
}

static void
take(struct flow_table *t, uint32_t count, bool closed)
{
	struct flow_report r;

	for (uint32_t i = 0; i < count; i++) {
		expect(t, &r, closed);
		assert_int_equal(r.source.port, i);
		assert_string_equal(r.domain, "full.example.com");
	}
}

/*
 * A full table has no place for a new flow, and every place comes back, but
 * not before the report has been taken.
 */
static void
holds_so_many_flows(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (int round = 0; round < 3; round++) {
		int64_t ms = round * 1000000;

		for (uint32_t i = 0; i < FLOWS_MAX; i++)
			send_nth(t, ms, i, 0);
		assert_int_equal(flow_untracked(t), 3 * round);
		send_nth(t, ms + 1, FLOWS_MAX, 0);
		send_nth(t, ms + 2, FLOWS_MAX, 0);
		assert_int_equal(flow_untracked(t), 3 * round + 2);
		flow_timeout(t, at_ms(ms + 120001));
		assert_true(mono_is_never(flow_deadline(t)));
		send_nth(t, ms + 120001, FLOWS_MAX, 0);
		assert_int_equal(flow_untracked(t), 3 * round + 3);
		take(t, FLOWS_MAX, false);
		take(t, FLOWS_MAX, true);
		assert_false(flow_report(t, &r));
	}
	flow_table_free(t);
}

/* Where no flow can remember one more path, they are split. */
static void
holds_so_many_paths(void **state)
{
	uint32_t flows = FLOW_STEPS_MAX / 15, left = FLOW_STEPS_MAX % 15;
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (int round = 0; round < 3; round++) {
		int64_t ms = round * 1000000;

		for (uint32_t i = 0; i < flows; i++)
			for (uint16_t path = 0; path < 16; path++)
				send_nth(t, ms, i, path);
		for (uint16_t path = 0; path <= left; path++)
			send_nth(t, ms, flows, path);
		take(t, flows + 1, false);
		assert_false(flow_report(t, &r));
		send_nth(t, ms, flows, 99);
		expect(t, &r, true);
		assert_int_equal(r.path_count, 1 + left);
		expect(t, &r, false);
		assert_int_equal(r.paths[0].from.port, 1000 + 99);
		/* What the report held is free again. */
		send_nth(t, ms, flows, 98);
		assert_false(flow_report(t, &r));
		flow_close_all(t, at_ms(ms + 1));
		take(t, flows + 1, true);
	}
	assert_int_equal(flow_untracked(t), 0);
	flow_table_free(t);
}

/* One client takes a quarter of the table and leaves the rest to others. */
static void
holds_so_many_flows_of_one(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (int round = 0; round < 3; round++) {
		int64_t ms = round * 1000000;

		for (uint32_t i = 0; i < FLOWS_SHARE; i++)
			peer_sends_nth(t, ms + 30 * i, 7, i, 0);
		assert_int_equal(flow_untracked(t), 3 * round);
		ms += 30 * FLOWS_SHARE;
		peer_sends_nth(t, ms, 7, FLOWS_SHARE, 0);
		peer_sends_nth(t, ms, 7 + FLOW_SHARES, FLOWS_SHARE, 0);
		assert_int_equal(flow_untracked(t), 3 * round + 2);
		peer_sends_nth(t, ms, 8, FLOWS_SHARE, 0);
		take(t, FLOWS_SHARE + 1, false);
		/* What waits to be reported counts still. */
		flow_close_all(t, at_ms(ms + 1));
		peer_sends_nth(t, ms + 2, 7, 0, 0);
		assert_int_equal(flow_untracked(t), 3 * round + 3);
		take(t, FLOWS_SHARE + 1, true);
		assert_false(flow_report(t, &r));
	}
	flow_table_free(t);
}

static void
holds_so_many_paths_of_one(void **state)
{
	uint32_t flows = FLOW_STEPS_SHARE / 15, left = FLOW_STEPS_SHARE % 15;
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (int round = 0; round < 3; round++) {
		int64_t ms = round * 1000000;

		for (uint32_t i = 0; i < flows; i++)
			for (uint16_t path = 0; path < 16; path++)
				peer_sends_nth(t, ms, 7, i, path);
		for (uint16_t path = 0; path <= left; path++)
			peer_sends_nth(t, ms, 7, flows, path);
		for (uint16_t path = 0; path < 16; path++)
			peer_sends_nth(t, ms, 8, flows + 1, path);
		take(t, flows + 2, false);
		assert_false(flow_report(t, &r));
		peer_sends_nth(t, ms, 7, flows, 99);
		expect(t, &r, true);
		assert_int_equal(r.path_count, 1 + left);
		expect(t, &r, false);
		flow_close_all(t, at_ms(ms + 1));
		while (flow_report(t, &r))
			assert_true(r.closed);
	}
	flow_table_free(t);
}

/* The split of a flow in a full table leaves its packets without one. */
static void
splits_in_a_full_table(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	for (uint32_t i = 0; i < FLOWS_MAX; i++)
		send_nth(t, 0, i, 0);
	for (uint16_t path = 1; path < 16; path++)
		send_nth(t, 0, 5, path);
	assert_int_equal(flow_untracked(t), 0);
	send_nth(t, 0, 5, 16);
	assert_int_equal(flow_untracked(t), 1);
	take(t, FLOWS_MAX, false);
	expect(t, &r, true);
	assert_int_equal(r.tx_packets, 16);
	send_nth(t, 0, 5, 17);
	expect(t, &r, false);
	flow_table_free(t);
}

/* At most one round of closing in a second. */
static void
wakes_for_something(void **state)
{
	struct flow_table *t = flow_table_new();
	struct flow_report r;

	(void)state;
	assert_true(mono_is_never(flow_deadline(t)));
	send_nth(t, 0, 0, 0);
	send_nth(t, 300, 1, 0);
	send_nth(t, 700, 2, 0);
	take(t, 3, false);
	assert_int_equal(flow_deadline(t).ns, at_ms(120000).ns + 1);
	flow_timeout(t, at_ms(120000));
	assert_false(flow_report(t, &r));
	flow_timeout(t, flow_deadline(t));
	take(t, 1, true);
	assert_int_equal(flow_deadline(t).ns, at_ms(121000).ns + 1);
	flow_timeout(t, at_ms(121000));
	assert_false(flow_report(t, &r));
	flow_timeout(t, flow_deadline(t));
	expect(t, &r, true);
	expect(t, &r, true);
	assert_true(mono_is_never(flow_deadline(t)));
	flow_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_rules),
		cmocka_unit_test(reports_everything),
		cmocka_unit_test(notices_either_end_of_a_path),
		cmocka_unit_test(copies_domains),
		cmocka_unit_test(counts_payload_only),
		cmocka_unit_test(ignores_other_protocols),
		cmocka_unit_test(keeps_flows_apart),
		cmocka_unit_test(holds_so_many_flows),
		cmocka_unit_test(holds_so_many_paths),
		cmocka_unit_test(holds_so_many_flows_of_one),
		cmocka_unit_test(holds_so_many_paths_of_one),
		cmocka_unit_test(splits_in_a_full_table),
		cmocka_unit_test(wakes_for_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
