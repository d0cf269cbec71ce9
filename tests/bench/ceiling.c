/*
 * The yardstick: how fast can a tunnel between TUN and UDP be on this machine?
 *
 * A tunnel of two ends with nothing in it but what no gateway can do without:
 * read TSO and USO super-packets from the TUN, cut them, encrypt every segment
 * (ChaCha20-Poly1305, header and tag as long as WireGuard's) and send them with
 * UDP_SEGMENT; and back: UDP_GRO, decrypt, glue TCP segments and datagrams, one
 * write. One key, one peer, one thread, TCP and UDP over IPv4 only; no
 * handshake, replay window, policy, NAT or timers, and no checks on what comes
 * in: a measure, not a design.
 *
 * usage: ceiling DEVICE LOCAL-PORT PEER-ADDRESS PEER-PORT SIDE
 * SIDE is 0 at one end and 1 at the other. With NOCRYPT in the environment the
 * cipher is left out: what the kernel alone costs.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <intel-ipsec-mb.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20 /* Linux 6.2 */
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define HEADER        16
#define TAG           16
#define DATAGRAM_MAX  65535
#define BATCH_MAX     65000 /* less than a datagram by any headers */
#define SEGMENTS      60
#define BATCHES       4
#define SOCKET_BUFFER (16 << 20)

static IMB_MGR *manager;
static bool no_cipher;
static bool glue_udp; /* the TUN takes USO */
static int tun, sock;
static uint8_t key[32];
static uint64_t counter;
static struct sockaddr_in peer;

/* Encrypts or decrypts in place; false if the tag is wrong. */
static bool
cipher(
    IMB_CIPHER_DIRECTION direction, uint64_t number, uint8_t *data, size_t len)
{
	bool encrypt = direction == IMB_DIR_ENCRYPT;
	uint8_t iv[12] = { 0 }, computed[TAG], *tag = data + len;
	IMB_JOB *job;

	if (no_cipher)
		return true;
	memcpy(iv + 4, &number, sizeof(number));
	job = IMB_GET_NEXT_JOB(manager);
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = direction;
	job->chain_order =
	    encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = job->dec_keys = key;
	job->key_len_in_bytes = sizeof(key);
	job->iv = iv;
	job->iv_len_in_bytes = sizeof(iv);
	job->src = job->dst = data;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = job->msg_len_to_hash_in_bytes = len;
	job->auth_tag_output = encrypt ? tag : computed;
	job->auth_tag_output_len_in_bytes = TAG;
	job->u.CHACHA20_POLY1305.aad = NULL;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	IMB_SUBMIT_JOB_NOCHECK(manager);
	return encrypt || memcmp(computed, tag, TAG) == 0;
}

/* A ones'-complement sum in memory order, not yet folded. */
static uint64_t
sum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t total = 0, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		total += word;
		total += total < word;
	}
	word = 0;
	memcpy(&word, p, len);
	total += word;
	total += total < word;
	return (total & UINT32_MAX) + (total >> 32);
}

static uint16_t
fold(uint64_t total)
{
	while (total >> 16 != 0)
		total = (total & UINT16_MAX) + (total >> 16);
	return (uint16_t)total;
}

static uint16_t
checksum(uint64_t total)
{
	return (uint16_t)~fold(total);
}

static uint64_t
pseudo_header(const struct iphdr *ip, size_t len)
{
	return sum(&ip->saddr, 8) + htons(ip->protocol) + htons((uint16_t)len);
}

static struct tcphdr *
tcp_of(struct iphdr *ip)
{
	return (struct tcphdr *)((uint8_t *)ip + ip->ihl * 4);
}

static struct udphdr *
udp_of(struct iphdr *ip)
{
	return (struct udphdr *)((uint8_t *)ip + ip->ihl * 4);
}

/* Of IP and what is in it. */
static size_t
headers_length(struct iphdr *ip)
{
	return ip->ihl * 4u +
	    (ip->protocol == IPPROTO_TCP ? tcp_of(ip)->doff * 4u
					 : sizeof(struct udphdr));
}

static uint16_t *
checksum_field(struct iphdr *ip)
{
	return ip->protocol == IPPROTO_TCP ? &tcp_of(ip)->check
					   : &udp_of(ip)->check;
}

/* TUN to UDP: one batch, sent when it is full or a datagram is a short one. */
static uint8_t batch[DATAGRAM_MAX];
static size_t batch_len, batch_segment;

static void
send_batch(void)
{
	union {
		struct cmsghdr align;
		uint8_t space[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct iovec iov = { batch, batch_len };
	struct msghdr msg = {
		.msg_name = &peer,
		.msg_namelen = sizeof(peer),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	uint16_t segment = (uint16_t)batch_segment;

	if (batch_len > batch_segment) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		control.align.cmsg_level = IPPROTO_UDP;
		control.align.cmsg_type = UDP_SEGMENT;
		control.align.cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(&control.align), &segment, sizeof(segment));
	}
	if (batch_len > 0 && sendmsg(sock, &msg, 0) == -1 && errno != EAGAIN &&
	    errno != ECONNREFUSED)
		err(1, "sendmsg");
	batch_len = batch_segment = 0;
}

/* Room for a packet, in front of it that for its header. */
static uint8_t *
reserve(size_t len)
{
	size_t total = HEADER + len + TAG;

	if (batch_len != 0 &&
	    (total > batch_segment || batch_len + total > BATCH_MAX ||
		batch_len / batch_segment >= SEGMENTS))
		send_batch();
	if (batch_segment == 0)
		batch_segment = total;
	return batch + batch_len + HEADER;
}

static void
seal(uint8_t *packet, size_t len)
{
	uint64_t number = counter++;

	memcpy(packet - HEADER, "\4\0\0\0\0\0\0\0", 8);
	memcpy(packet - HEADER + 8, &number, sizeof(number));
	cipher(IMB_DIR_ENCRYPT, number, packet, len);
	batch_len += HEADER + len + TAG;
	if (HEADER + len + TAG < batch_segment)
		send_batch();
}

/* One segment of a super-packet: the payload from at on. */
static void
cut(struct iphdr *super, size_t header, size_t at, size_t len, uint16_t number,
    bool last)
{
	uint8_t *to = reserve(header + len);
	struct iphdr *ip = (struct iphdr *)to;
	size_t ip_len = super->ihl * 4u;

	memcpy(to, super, header);
	memcpy(to + header, (uint8_t *)super + header + at, len);
	ip->tot_len = htons((uint16_t)(header + len));
	ip->id = htons((uint16_t)(ntohs(super->id) + number));
	ip->check = 0;
	ip->check = checksum(sum(ip, ip_len));
	if (ip->protocol == IPPROTO_UDP) {
		udp_of(ip)->len = htons((uint16_t)(header + len - ip_len));
	} else {
		tcp_of(ip)->seq = htonl(ntohl(tcp_of(ip)->seq) + (uint32_t)at);
		if (!last)
			tcp_of(ip)->fin = tcp_of(ip)->psh = 0;
	}
	*checksum_field(ip) = 0;
	*checksum_field(ip) =
	    checksum(pseudo_header(ip, header + len - ip_len) +
		sum(to + ip_len, header + len - ip_len));
	seal(to, header + len);
}

static void
cut_all(struct iphdr *super, size_t len, size_t segment)
{
	size_t header = headers_length(super), payload = len - header;
	uint16_t number = 0;

	for (size_t at = 0; at < payload; at += segment) {
		bool last = payload - at <= segment;

		cut(super, header, at, last ? payload - at : segment, number++,
		    last);
	}
}

static void
pass_on(const struct virtio_net_hdr *vnet, uint8_t *packet, size_t len)
{
	uint16_t check;
	uint8_t *to;

	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		/* The field holds the sum of the pseudo-header. */
		check = checksum(
		    sum(packet + vnet->csum_start, len - vnet->csum_start));
		memcpy(packet + vnet->csum_start + vnet->csum_offset, &check,
		    sizeof(check));
	}
	to = reserve(len);
	memcpy(to, packet, len);
	seal(to, len);
}

static void
tun_readable(void)
{
	static uint8_t data[sizeof(struct virtio_net_hdr) + DATAGRAM_MAX];
	struct virtio_net_hdr *vnet = (struct virtio_net_hdr *)data;
	uint8_t *packet = data + sizeof(*vnet);
	ssize_t n;

	while ((n = read(tun, data, sizeof(data))) > (ssize_t)sizeof(*vnet)) {
		size_t len = (size_t)n - sizeof(*vnet);

		if (packet[0] >> 4 != 4)
			continue;
		if (vnet->gso_type == VIRTIO_NET_HDR_GSO_NONE)
			pass_on(vnet, packet, len);
		else
			cut_all((struct iphdr *)packet, len, vnet->gso_size);
	}
	send_batch();
}

/* UDP to TUN: what follows each other in one flow becomes one write. */
static struct iovec run[SEGMENTS + 2]; /* vnet header, packet, payloads */
static int run_len;
static bool run_closed;
static uint32_t run_sequence;
static size_t run_segment, run_total;

static void
write_run(void)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iphdr *ip = run[1].iov_base;
	size_t ip_len;

	if (run_len == 0)
		return;
	if (run_len > 2) {
		bool udp = ip->protocol == IPPROTO_UDP;

		ip_len = ip->ihl * 4u;
		ip->tot_len = htons((uint16_t)run_total);
		ip->check = 0;
		ip->check = checksum(sum(ip, ip_len));
		if (udp)
			udp_of(ip)->len = htons((uint16_t)(run_total - ip_len));
		*checksum_field(ip) =
		    fold(pseudo_header(ip, run_total - ip_len));
		vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet.gso_type =
		    udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_TCPV4;
		vnet.gso_size = (uint16_t)run_segment;
		vnet.hdr_len = (uint16_t)headers_length(ip);
		vnet.csum_start = (uint16_t)ip_len;
		vnet.csum_offset = udp ? offsetof(struct udphdr, check)
				       : offsetof(struct tcphdr, check);
	}
	run[0] = (struct iovec){ &vnet, sizeof(vnet) };
	if (writev(tun, run, run_len) == -1 && errno != EAGAIN && errno != EIO)
		err(1, "writev");
	run_len = 0;
}

static void
start_run(struct iphdr *ip, size_t len)
{
	write_run();
	run[1] = (struct iovec){ ip, len };
	run_len = 2;
	run_total = len;
	run_closed = true;
}

static bool
same_flow(const struct iphdr *a, const struct iphdr *b)
{
	return a->protocol == b->protocol && a->saddr == b->saddr &&
	    a->daddr == b->daddr &&
	    memcmp((const uint8_t *)a + a->ihl * 4u,
		(const uint8_t *)b + b->ihl * 4u, 4) == 0;
}

static bool
tcp_continues(struct tcphdr *first, struct tcphdr *tcp)
{
	return ntohl(tcp->seq) == run_sequence &&
	    first->ack_seq == tcp->ack_seq && first->doff == tcp->doff &&
	    memcmp(first + 1, tcp + 1, tcp->doff * 4u - sizeof(*tcp)) == 0;
}

static bool
continues_run(struct iphdr *ip, size_t payload)
{
	struct iphdr *first = run[1].iov_base;

	return run_len != 0 && !run_closed && payload != 0 &&
	    payload <= run_segment && run_total + payload <= BATCH_MAX &&
	    run_len != SEGMENTS + 2 && same_flow(first, ip) &&
	    (ip->protocol == IPPROTO_UDP ||
		tcp_continues(tcp_of(first), tcp_of(ip)));
}

static void
add_to_run(struct iphdr *ip)
{
	size_t len = ntohs(ip->tot_len), header, payload;
	bool tcp = ip->protocol == IPPROTO_TCP, push;

	if ((!tcp && (ip->protocol != IPPROTO_UDP || !glue_udp)) ||
	    (tcp && (tcp_of(ip)->syn || tcp_of(ip)->fin || tcp_of(ip)->rst))) {
		start_run(ip, len);
		return;
	}
	header = headers_length(ip);
	payload = len - header;
	push = tcp && tcp_of(ip)->psh;
	if (continues_run(ip, payload)) {
		run[run_len++] =
		    (struct iovec){ (uint8_t *)ip + header, payload };
		run_total += payload;
		run_sequence += (uint32_t)payload;
		if (push)
			tcp_of(run[1].iov_base)->psh = 1;
		run_closed = payload < run_segment || push;
		return;
	}
	start_run(ip, len);
	run_segment = payload;
	if (tcp)
		run_sequence = ntohl(tcp_of(ip)->seq) + (uint32_t)payload;
	run_closed = payload == 0 || push;
}

static size_t
stride_of(struct msghdr *msg, size_t len)
{
	int stride;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&stride, CMSG_DATA(c), sizeof(stride));
		return (size_t)stride;
	}
	return len;
}

static void
open_all(uint8_t *data, size_t len, size_t stride)
{
	uint64_t number;

	for (size_t at = 0; at < len; at += stride) {
		size_t n = len - at < stride ? len - at : stride;
		uint8_t *message = data + at;

		if (n < HEADER + sizeof(struct iphdr) + TAG || message[0] != 4)
			continue;
		memcpy(&number, message + 8, sizeof(number));
		if (cipher(IMB_DIR_DECRYPT, number, message + HEADER,
			n - HEADER - TAG))
			add_to_run((struct iphdr *)(message + HEADER));
	}
}

static void
udp_readable(void)
{
	static uint8_t data[BATCHES][DATAGRAM_MAX];
	static union {
		struct cmsghdr align;
		uint8_t space[CMSG_SPACE(sizeof(int))];
	} control[BATCHES];
	struct mmsghdr messages[BATCHES] = { 0 };
	struct iovec iov[BATCHES];
	int n;

	for (size_t i = 0; i < BATCHES; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = control[i].space,
			.msg_controllen = sizeof(control[i].space),
		};
	}
	n = recvmmsg(sock, messages, BATCHES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		open_all(data[i], messages[i].msg_len,
		    stride_of(&messages[i].msg_hdr, messages[i].msg_len));
	write_run();
}

static void
open_tun(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	const unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if ((tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK)) == -1 ||
	    ioctl(tun, TUNSETIFF, &ifr) == -1)
		err(1, "%s", name);
	glue_udp =
	    ioctl(tun, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0;
	if (!glue_udp && ioctl(tun, TUNSETOFFLOAD, tso) == -1)
		err(1, "%s", name);
}

static uint16_t
port_of(const char *text)
{
	return htons((uint16_t)atoi(text));
}

static void
open_socket(const char *port, const char *peer_address, const char *peer_port)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	int on = 1, size = SOCKET_BUFFER;

	local.sin_port = port_of(port);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (sock == -1 ||
	    bind(sock, (struct sockaddr *)&local, sizeof(local)) == -1 ||
	    setsockopt(sock, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == -1 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ==
		-1 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ==
		-1)
		err(1, "socket");
	peer.sin_family = AF_INET;
	peer.sin_port = port_of(peer_port);
	if (inet_pton(AF_INET, peer_address, &peer.sin_addr) != 1)
		errx(2, "not an address: %s", peer_address);
}

int
main(int argc, char **argv)
{
	struct pollfd fds[2];

	if (argc != 6)
		errx(2,
		    "usage: ceiling DEVICE LOCAL-PORT PEER-ADDRESS PEER-PORT "
		    "SIDE");
	no_cipher = getenv("NOCRYPT") != NULL;
	if ((manager = alloc_mb_mgr(0)) == NULL)
		errx(1, "no memory");
	init_mb_mgr_auto(manager, NULL);
	memset(key, 7, sizeof(key));
	counter = (uint64_t)atoi(argv[5]) << 40; /* no nonce is used twice */
	open_tun(argv[1]);
	open_socket(argv[2], argv[3], argv[4]);
	fds[0] = (struct pollfd){ tun, POLLIN, 0 };
	fds[1] = (struct pollfd){ sock, POLLIN, 0 };
	for (;;) {
		if (poll(fds, 2, -1) == -1)
			err(1, "poll");
		if (fds[1].revents != 0)
			udp_readable();
		if (fds[0].revents != 0)
			tun_readable();
	}
}
