/* Requests to the kernel by netlink: see netlink_request.h. */
#include "parent/netlink_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define REPLY_MAX     (32 << 10) /* the kernel's bound for a part of a list */
#define COLLECTED_MAX (16 << 10)
#define PURGE_ROUNDS  16
#define BATCH_MARKS \
	(2 * (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg)))

/* The room a message takes with its padding. */
static size_t
aligned_length(const struct nlmsghdr *h)
{
	return ((size_t)h->nlmsg_len + NLMSG_ALIGNTO - 1) &
	    ~((size_t)NLMSG_ALIGNTO - 1);
}

int
netlink_open(struct netlink *n, int protocol)
{
	*n = (struct netlink){ 0 };
	n->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (n->socket == NULL)
		return -1;
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) == -1) {
		netlink_close(n);
		return -1;
	}
	return 0;
}

void
netlink_close(struct netlink *n)
{
	int saved = errno;

	if (n->socket != NULL)
		mnl_socket_close(n->socket);
	n->socket = NULL;
	errno = saved;
}

void *
netlink_begin(
    struct netlink_request *r, int type, int flags, size_t header_size)
{
	memset(r->bytes, 0, sizeof(r->bytes));
	r->header = mnl_nlmsg_put_header(r->bytes);
	r->header->nlmsg_type = (uint16_t)type;
	r->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return mnl_nlmsg_put_extra_header(r->header, header_size);
}

void
netlink_put_address(
    struct netlink_request *r, uint16_t attribute, const struct ip_address *a)
{
	mnl_attr_put(r->header, attribute, ip_size(a), a->bytes);
}

/* How far the answer to a request has been read. */
struct answer {
	uint32_t sequence;
	bool complete;
	int error; /* an errno, or 0 */
	void (*each)(const struct nlmsghdr *, void *);
	void *data;
};

static void
read_message(struct answer *a, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_seq != a->sequence)
		return;
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		a->error = EINTR;
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
		a->complete = true;
		if (mnl_nlmsg_get_payload_len(h) < sizeof(*e))
			a->error = EBADMSG;
		else if (e->error != 0)
			a->error = -e->error;
		break;
	case NLMSG_DONE:
		a->complete = true;
		break;
	default:
		if (h->nlmsg_type >= NLMSG_MIN_TYPE && a->each != NULL)
			a->each(h, a->data);
	}
}

/*
 * A list is always read to its end, even one known to be spoiled: the rest
 * would be taken for the answer to the next request.
 */
static int
await_answer(struct netlink *n,
    void (*each)(const struct nlmsghdr *, void *), void *data)
{
	alignas(NLMSG_ALIGNTO) uint8_t reply[REPLY_MAX];
	struct answer a = { .sequence = n->sequence,
		.each = each,
		.data = data };

	while (!a.complete) {
		const struct nlmsghdr *h = (const void *)reply;
		ssize_t len;
		int left;

		len = mnl_socket_recvfrom(n->socket, reply, sizeof(reply));
		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1)
			return -1;
		for (left = (int)len; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			read_message(&a, h);
	}
	if (a.error == 0)
		return 0;
	errno = a.error;
	return -1;
}

static int
exchange_messages(struct netlink *n, struct nlmsghdr *request,
    void (*each)(const struct nlmsghdr *, void *), void *data)
{
	request->nlmsg_seq = ++n->sequence;
	if (mnl_socket_sendto(n->socket, request, request->nlmsg_len) == -1)
		return -1;
	return await_answer(n, each, data);
}

int
netlink_send(struct netlink *n, struct netlink_request *r)
{
	return exchange_messages(n, r->header, NULL, NULL);
}

int
netlink_list(struct netlink *n, struct netlink_request *r,
    void (*each)(const struct nlmsghdr *, void *), void *data)
{
	return exchange_messages(n, r->header, each, data);
}

/* The kernel can leave out other tables, but only if asked so strictly. */
static void
set_strict(struct netlink *n, int strict)
{
	(void)mnl_socket_setsockopt(
	    n->socket, NETLINK_GET_STRICT_CHK, &strict, sizeof(strict));
}

int
netlink_list_table(struct netlink *n, uint8_t family, uint32_t table,
    void (*each)(const struct nlmsghdr *, void *), void *data)
{
	struct netlink_request r;
	struct rtmsg *m;
	int result, error;

	m = netlink_begin(&r, RTM_GETROUTE, NLM_F_DUMP, sizeof(*m));
	m->rtm_family = family;
	mnl_attr_put_u32(r.header, RTA_TABLE, table);
	set_strict(n, 1);
	result = netlink_list(n, &r, each, data);
	error = errno;
	set_strict(n, 0);
	errno = error;
	/* There is no table without routes. */
	return result == -1 && error == ENOENT ? 0 : result;
}

/* A begin or an end, of which only a refusal is answered. */
static size_t
put_batch_mark(uint8_t *to, uint16_t type, uint32_t sequence)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(to);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = sequence;
	g->nfgen_family = NFPROTO_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(NFNL_SUBSYS_NFTABLES);
	return aligned_length(h);
}

int
netlink_transaction(struct netlink *n, struct netlink_request *r)
{
	alignas(NLMSG_ALIGNTO) uint8_t batch[sizeof(r->bytes) + BATCH_MARKS];
	size_t len;

	r->header->nlmsg_seq = ++n->sequence;
	len = put_batch_mark(batch, NFNL_MSG_BATCH_BEGIN, n->sequence);
	memcpy(batch + len, r->bytes, r->header->nlmsg_len);
	len += aligned_length(r->header);
	len += put_batch_mark(batch + len, NFNL_MSG_BATCH_END, n->sequence);
	if (mnl_socket_sendto(n->socket, batch, len) == -1)
		return -1;
	return await_answer(n, NULL, NULL);
}

/* The attribute at that place, when it lies whole before end. */
static const struct nlattr *
attribute_at(const void *at, const void *end)
{
	const struct nlattr *a = at;
	ptrdiff_t left = (const uint8_t *)end - (const uint8_t *)at;

	return left > 0 && mnl_attr_ok(a, (int)left) ? a : NULL;
}

static const void *
nest_end(const struct nlattr *nest)
{
	return (const uint8_t *)mnl_attr_get_payload(nest) +
	    mnl_attr_get_payload_len(nest);
}

const struct nlattr *
netlink_first(const struct nlattr *nest)
{
	if (nest == NULL)
		return NULL;
	return attribute_at(mnl_attr_get_payload(nest), nest_end(nest));
}

const struct nlattr *
netlink_next(const struct nlattr *nest, const struct nlattr *a)
{
	return attribute_at(mnl_attr_next(a), nest_end(nest));
}

const struct nlattr *
netlink_nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a = netlink_first(nest);

	while (a != NULL && mnl_attr_get_type(a) != type)
		a = netlink_next(nest, a);
	return a;
}

const struct nlattr *
netlink_attribute(const struct nlmsghdr *h, size_t header_size, uint16_t type)
{
	const void *end = mnl_nlmsg_get_payload_tail(h);
	const struct nlattr *a;

	a = attribute_at(mnl_nlmsg_get_payload_offset(h, header_size), end);
	while (a != NULL && mnl_attr_get_type(a) != type)
		a = attribute_at(mnl_attr_next(a), end);
	return a;
}

uint32_t
netlink_number(const struct nlmsghdr *h, size_t header_size, uint16_t type,
    uint32_t otherwise)
{
	const struct nlattr *a = netlink_attribute(h, header_size, type);

	if (a != NULL && mnl_attr_get_payload_len(a) == sizeof(uint32_t))
		return mnl_attr_get_u32(a);
	if (a != NULL && mnl_attr_get_payload_len(a) == sizeof(uint8_t))
		return mnl_attr_get_u8(a);
	return otherwise;
}

struct ip_address
netlink_address(const struct nlattr *a, uint8_t af)
{
	const enum ip_family family = af == AF_INET ? IP_V4
	    : af == AF_INET6                        ? IP_V6
						    : IP_NONE;
	struct ip_address ip = { .family = family };

	if (a == NULL || family == IP_NONE ||
	    mnl_attr_get_payload_len(a) != ip_size(&ip))
		return (struct ip_address){ 0 };
	return ip_from_bytes(family, mnl_attr_get_payload(a));
}

/* Copies of the messages that match, one behind the other. */
struct collection {
	alignas(NLMSG_ALIGNTO) uint8_t bytes[COLLECTED_MAX];
	size_t len;
	bool overflow;
	bool (*match)(const struct nlmsghdr *, const void *);
	const void *data;
};

static void
collect_message(const struct nlmsghdr *h, void *data)
{
	struct collection *c = data;
	size_t room = aligned_length(h);

	if (!c->match(h, c->data))
		return;
	if (room > sizeof(c->bytes) - c->len) {
		c->overflow = true;
		return;
	}
	memcpy(c->bytes + c->len, h, h->nlmsg_len);
	c->len += room;
}

/* What the kernel told about an object is also what names it for deletion. */
static int
delete_collected(struct netlink *n, struct collection *c)
{
	struct nlmsghdr *h;

	for (size_t at = 0; at < c->len; at += aligned_length(h)) {
		h = (struct nlmsghdr *)(void *)(c->bytes + at);
		h->nlmsg_type++; /* RTM_NEW* to RTM_DEL* */
		h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		h->nlmsg_pid = 0;
		if (exchange_messages(n, h, NULL, NULL) == -1 &&
		    errno != ENOENT && errno != ESRCH && errno != EADDRNOTAVAIL)
			return -1;
	}
	return 0;
}

int
netlink_purge(struct netlink *n, int new_type, uint8_t family,
    bool (*match)(const struct nlmsghdr *, const void *), const void *data)
{
	struct collection c = { .match = match, .data = data };
	struct netlink_request r;
	struct rtgenmsg *g;

	for (int round = 0; round < PURGE_ROUNDS; round++) {
		c.len = 0;
		c.overflow = false;
		/* RTM_GET*; all their headers fit a struct rtmsg. */
		g = netlink_begin(
		    &r, new_type + 2, NLM_F_DUMP, sizeof(struct rtmsg));
		g->rtgen_family = family;
		if (netlink_list(n, &r, collect_message, &c) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (delete_collected(n, &c) == -1)
			return -1;
		if (!c.overflow)
			return 0;
	}
	errno = EBUSY;
	return -1;
}
