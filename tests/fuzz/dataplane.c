/*
 * The whole data plane, as it stands with one connected client and one relay:
 * datagrams of that client, of the relay and of strangers, sealed and not, and
 * packets from the TUN; and the portal grants and revokes as portals of any
 * generation do. Whatever they are, what reaches the TUN is what the client was
 * granted.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/plan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/dataplane.h"

#define STEPS_MAX 64

static const char ours[] = "10.0.0.4:52625";
static const char *const senders[] = { "192.0.2.7:50000", "203.0.113.5:3478",
	"198.51.100.77:1", "203.0.113.5:49152" };

static struct ip_address client_v4, client_v6;
static bool granted[2]; /* 10.20.0.0/24 and 10.30.0.0/24 */
static bool without_ice; /* as it began */

void
fuzz_init(void)
{
	client_v4 = endpoint_of("100.64.0.2:0").ip;
	client_v6 = endpoint_of("[fd00:2021:1111::2]:0").ip;
	must(dataplane_warm_up());
}

/* All that has come out for the TUN since the last look. */
static void
check_tun(struct rig *r)
{
	struct packet p;

	for (size_t i = 0; i < r->tun_count && i < NOTES; i++) {
		struct note *n = &r->tun[i];

		must(packet_parse(n->data, n->len, &p) == PACKET_OK);
		must(ip_equal(&p.source, &client_v4) ||
		    ip_equal(&p.source, &client_v6));
		must(granted[0] || granted[1]);
		if (ip_in_tunnel_range(&p.destination))
			continue; /* our own address: DNS and echo */
		must(p.kind == PACKET_TCP && p.destination_port == 80);
		must(memcmp(p.destination.bytes, "\x0a\x14\x00", 3) == 0
			? granted[0]
			: granted[1] &&
			    memcmp(p.destination.bytes, "\x0a\x1e\x00", 3) ==
				0);
	}
	r->tun_count = r->udp_count = 0;
}

static void
hear(struct rig *r, struct cursor *in, const uint8_t *data, size_t len)
{
	if (len <= DATAGRAM_MAX)
		receive(r, senders[pick(in, 4)], ours, data, len);
}

static void
hear_bytes(struct rig *r, struct cursor *in)
{
	size_t len;
	uint8_t *data = pick_block(in, DATAGRAM_MAX, &len);

	if (len > 0)
		hear(r, in, data, len);
	free(data);
}

/* An inner packet as the client seals it, maybe in ChannelData. */
static void
hear_sealed(struct rig *r, struct cursor *in)
{
	uint8_t datagram[CHANNEL_DATA_OVERHEAD + 64 + WIREGUARD_OVERHEAD +
	    INNER_PACKET_MAX];
	size_t len, total, offset = pick_bool(in) ? CHANNEL_DATA_OVERHEAD : 0;
	uint8_t *inner = pick_block(in, INNER_PACKET_MAX + 16, &len);

	total = len + WIREGUARD_OVERHEAD;
	session_seal(&r->session, r->aead, inner, len, datagram + offset);
	store_be16(datagram, offset > 0 ? cursor_be16(in) : 0x0400);
	if (offset > 0)
		store_be16(datagram + 2, (uint16_t)total);
	hear(r, in, datagram, offset + total);
	free(inner);
}

static void
hear_packet(struct rig *r, struct cursor *in)
{
	static const char *const places[] = { "100.64.0.2:1234", "10.20.0.9:80",
		"100.64.0.1:53535", "100.64.0.3:80", "10.30.0.9:80" };
	const char *from = places[pick(in, 5)], *to = places[pick(in, 5)];
	uint8_t packet[40], data[40 + WIREGUARD_OVERHEAD];
	size_t len = tcp_packet(packet, from, to), at_byte = cursor_u8(in);

	if (at_byte < len)
		packet[at_byte] ^= cursor_u8(in);
	session_seal(&r->session, r->aead, packet, len, data);
	hear(r, in, data, sizeof(data));
}

static void
hear_tun(struct rig *r, struct cursor *in)
{
	size_t len;
	uint8_t *packet = pick_block(in, 4096, &len);

	if (len > 0)
		from_tun(r, packet, len);
	free(packet);
	settle(r);
}

/* A probe, or what answers one of ours, by guess. */
static void
hear_client_probe(struct rig *r, struct cursor *in)
{
	struct probe probe = {
		.is_reply = pick_bool(in),
		.id = (uint16_t)pick(in, 8),
		.sequence = (uint16_t)pick(in, 32),
	};
	uint8_t packet[PROBE_PACKET_LEN],
	    data[PROBE_PACKET_LEN + WIREGUARD_OVERHEAD];

	probe_packet_write(&probe, packet);
	session_seal(&r->session, r->aead, packet, sizeof(packet), data);
	hear(r, in, data, sizeof(data));
}

static void
pass_time(struct rig *r, int64_t ms)
{
	r->now = mono_add_ms(r->now, ms);
	serve_deadlines(r);
	/* A handshake that is wanted may be due at once. */
	if (mono_due(by_hand_deadline(r->dp), r->now))
		serve_deadlines(r);
	must(!mono_due(by_hand_deadline(r->dp), r->now));
}

static void
hear_initiation(struct rig *r, struct cursor *in)
{
	uint8_t message[MESSAGE_INITIATION_LEN], stamp[NOISE_TIMESTAMP_LEN];

	noise_timestamp(UNIX_NOW + 1 + (uint32_t)pick(in, 16), 0, stamp);
	must(noise_create_initiation(&r->identity, &r->gateway, cursor_be32(in),
	    stamp, r->now, message));
	hear(r, in, message, sizeof(message));
}

static void
hear_candidates(struct rig *r, struct cursor *in)
{
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.withdrawn = pick_bool(in),
	};
	size_t len;
	uint8_t *lines = pick_block(in, sizeof(m.lines) - 1, &len);

	if (len > 0)
		memcpy(m.lines, lines, len);
	free(lines);
	tell(r, remote_candidates, &m);
	settle(r);
}

static void
connect_as(struct rig *r, enum authorization_kind kind, bool iceless)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_remote_candidates m = {
		.client = a.client,
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host\n",
	};

	with_relay(r);
	a.kind = (uint8_t)kind;
	a.use_iceless = without_ice = iceless;
	tell(r, authorization, &a);
	settle(r);
	tell(r, remote_candidates, &m);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
}

/* Kinds as they come: a mixture that no portal makes. */
static void
hear_grant(struct rig *r, struct cursor *in)
{
	struct ipc_authorization a = authorization(r);
	unsigned which = (unsigned)pick(in, 2);

	a.kind = (uint8_t)pick(in, 3);
	a.keepalive = (uint16_t)pick(in, 30);
	a.expires_at = UNIX_NOW + cursor_be16(in);
	a.use_iceless = pick(in, 8) == 7 ? !without_ice : without_ice;
	a.resource.bytes[0] = (uint8_t)(a.resource.bytes[0] + which);
	a.network.ip.bytes[1] = which == 0 ? 20 : 30;
	r->acknowledged = r->refused = 0;
	tell(r, authorization, &a);
	settle(r);
	must((r->acknowledged == a.serial) != (r->refused == a.serial));
	granted[which] = granted[which] || r->acknowledged == a.serial;
}

static void
hear_revocation(struct rig *r, struct cursor *in)
{
	unsigned which = (unsigned)pick(in, 2);
	const struct ipc_revocation m = {
		.client = { { 0xc1 } },
		.resource = { { (uint8_t)(0x42 + which) } },
	};

	tell(r, revocation, &m);
	settle(r);
	granted[which] = false;
}

static void
step(struct rig *r, struct cursor *in)
{
	switch (pick(in, 11)) {
	case 0:
		hear_bytes(r, in);
		break;
	case 1:
	case 2:
		hear_sealed(r, in);
		break;
	case 3:
		hear_packet(r, in);
		break;
	case 4:
		hear_tun(r, in);
		break;
	case 5:
		pass_time(r, cursor_be16(in));
		break;
	case 6:
		hear_initiation(r, in);
		break;
	case 7:
		hear_candidates(r, in);
		break;
	case 8:
		hear_grant(r, in);
		break;
	case 9:
		hear_revocation(r, in);
		break;
	default:
		if (without_ice)
			hear_client_probe(r, in);
		else
			check_with_use_candidate(r);
	}
	check_tun(r);
}

void
fuzz_one(struct cursor *in)
{
	void *state;
	struct rig *r;

	must(set_up(&state) == 0);
	r = state;
	granted[0] = true;
	granted[1] = false;
	connect_as(r,
	    in->left % 2 == 0 ? AUTHORIZATION_UPSERT
			      : AUTHORIZATION_CONNECTION,
	    in->left % 4 >= 2);
	check_tun(r);
	for (int i = 0; more(in) && i < STEPS_MAX; i++)
		step(r, in);
	pass_time(r, 100);
	(void)tear_down(&state);
}
