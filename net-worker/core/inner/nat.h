/*
 * The NAT of DNS resources, of one client: firezone-policy(7), NAT.
 *
 * A client sends to proxy addresses of its own choice. A session gives what
 * comes from one of its ports (or echo ids) to one proxy address the real
 * address behind it, and a source port that no other session to that real
 * address has; replies are found by these and turned back:
 *
 *	inside	(protocol, source port or echo id, proxy address)
 *	outside	(protocol, outside port or echo id, real address)
 *
 * Protocols are TCP, UDP, the echo of ICMPv4 and that of ICMPv6. The other
 * port is part of neither. The client's address stays the source; the packets
 * of its other addresses are not told apart here.
 *
 * Where the real address is of the other family than the proxy address, the
 * session crosses: its packets are translated between IPv4 and IPv6
 * (translate.h), with the client's address of the other family as source. The
 * port or id is one of the family of the real address.
 *
 * A session has ended as soon as its time has come, whether nat_timeout was
 * called meanwhile or not:
 *
 *	7440 s	after its last packet (TCP), 120 s (UDP, echo);
 *	60 s	after the last outgoing one while nothing has come back;
 *	5 s	after its last packet when both sides have sent FIN;
 *	at once	when either side has sent RST.
 *
 * The packet that makes a session counts as its first, but its FIN or RST does
 * not. The outside of an ended session is kept among the expired ones, so that
 * late replies are not mistaken for something else, until a new session takes
 * it, it is too old, or there are too many.
 *
 * When there are as many sessions as there may be, a new one takes the place of
 * one that is idle: that both sides have finished, else that has been without
 * an answer for 3 s, else, and last, that had no packet for 10 s. Of one kind
 * it is the one that has been idle longest. There is none: no new session.
 *
 * Everything in it is an index into arrays that nat_new has allocated; a table
 * that is not used does not touch their pages.
 */
#ifndef NET_WORKER_CORE_INNER_NAT_H
#define NET_WORKER_CORE_INNER_NAT_H

#include "common/time.h"
#include "net-worker/core/inner/name_use.h"
#include "net-worker/core/inner/packet.h"

#define NAT_SESSIONS_MAX 16384 /* that live */
#define NAT_UNANSWERED_S 3     /* then one gives way to a new session */
#define NAT_IDLE_S       10    /* likewise */
#define NAT_EXPIRED_MAX  4096  /* the oldest gives way */
#define NAT_EXPIRED_S    600   /* how long from the end of the session */
/*
 * Outside values that are tried for a new session: the original one, then
 * upwards to 65535, then from 1 on. 0 is used only where it is the original.
 */
#define NAT_PROBES_MAX 1024
/*
 * Long searches cost as much as many packets. Of those beyond so many values
 * there is a bucket, of which one comes back in each interval.
 */
#define NAT_PROBES_AT_ONCE     32
#define NAT_SEARCH_BURST       1024
#define NAT_SEARCH_INTERVAL_MS 1

struct nat;

struct nat *nat_new(void);   /* NULL without memory */
void nat_free(struct nat *); /* NULL is fine */
/* Sessions are counted there by their names; it is held. */
void nat_count_in(struct nat *, struct name_use *);
/*
 * The client's tunnel addresses, IP_NONE where it has none. No session crosses
 * before they are known, or without both.
 */
void nat_set_client(
    struct nat *, const struct ip_address *v4, const struct ip_address *v6);
/* The client has renumbered its proxies: no session, no expired one is left. */
void nat_forget(struct nat *);
/*
 * Ends the sessions that are not wanted, as if by RST: by their proxy address
 * and their real one; moved: since then the name has moved unanswered
 * (name_use.h).
 */
void nat_retain(struct nat *, struct mono now,
    bool (*wanted)(const void *ctx, const struct ip_address *proxy,
	const struct ip_address *real, bool moved),
    const void *ctx);

enum nat_result {
	NAT_NONE,       /* no session: the packet is as it was */
	NAT_TRANSLATED, /* rewritten, its checksums updated */
	NAT_EXPIRED,    /* it belongs to a session that has ended */
	NAT_CLOSED,     /* likewise, by FIN of both or RST: of course it has */
	NAT_UNUSABLE,   /* a kind of packet that NAT cannot evaluate */
	NAT_EXHAUSTED,  /* no port found, or too many sessions in use */
	NAT_TOO_LONG,   /* it crosses, were longer than INNER_PACKET_MAX, has DF
			 */
};

/*
 * Client to resource: the packet has been parsed and its destination is a proxy
 * address. Rewritten in place, and so are the fields of the packet; one that
 * crosses needs headroom and tailroom for that. real is where a new session
 * goes; one that exists keeps its own. name is the number of the name that the
 * proxy address stands for. TRANSLATED, UNUSABLE, EXHAUSTED or TOO_LONG; the
 * packet is as it was but for the first. What crosses may be longer than
 * INNER_PACKET_MAX then: translate_cut().
 */
enum nat_result nat_outbound(struct nat *, struct mono now, struct packet *,
    const struct ip_address *real, uint16_t name);

/*
 * Resource to client, in place likewise, but that one which crosses and has no
 * room to grow is made in "to", of TRANSLATE_WHOLE_MAX bytes; never EXHAUSTED.
 * *length is the length of the packet.
 *
 * But an ICMP error that quotes a packet of a session (TRANSLATED, and the kind
 * is PACKET_ICMP_ERROR) is built anew, from the proxy address to client, the
 * client's tunnel address of that family: the result is the *length bytes at
 * "to", and the packet is left as it was.
 */
enum nat_result nat_inbound(struct nat *, struct mono now, struct packet *,
    const struct ip_address *client, uint8_t *to, size_t *length);

/* Whether it is of a kind that has sessions; others are UNUSABLE. */
bool nat_has_session(const struct packet *);
/* A packet to a name without an address, of that number, has come. */
void nat_unresolved(struct nat *, struct mono now, uint16_t name);

/*
 * When to call nat_timeout: at most a second later than there is something to
 * do, perhaps sooner; MONO_NEVER when there will be nothing.
 */
struct mono nat_deadline(const struct nat *);
/* Ended sessions become expired ones, and old expired ones are dropped. */
void nat_timeout(struct nat *, struct mono now);

#endif /* NET_WORKER_CORE_INNER_NAT_H */
