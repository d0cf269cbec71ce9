/*
 * Our TURN client against coturn, over real sockets on loopback: Binding,
 * Allocate with the unsigned detour that a standard server needs, ChannelBind,
 * data both ways, Refresh, channel refresh, stale nonce, an allocation left by
 * a process before us, a success that is lost, and a wrong password.
 *
 * Starts a turnserver of its own on a free port and takes it down again; exits
 * with 77 (skipped) where there is none. Bounded by an alarm.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "net-worker/core/turn/allocation.h"

#define SKIPPED      77
#define STEP_MS      20000
#define TIME_LIMIT_S 120
#define NONCE_LIFE_S 2
#define REALM        "probe.example" /* not ours: it must be learned */

struct probe {
	struct allocation *allocation;
	struct relay_config config;
	struct endpoint local, peer, relayed;
	int sock, peer_sock;
	int64_t skipped_s; /* how far our clock is ahead */
	bool bound, withdrawn;
	unsigned lose; /* successes of Allocate that do not arrive */
	size_t bindings, allocates, refreshes, binds; /* sent */
	uint8_t received[DATAGRAM_MAX];               /* ChannelData */
	size_t received_len;
};

static pid_t server_pid = -1;

static void
stop_server(void)
{
	if (server_pid > 0) {
		kill(server_pid, SIGKILL);
		waitpid(server_pid, NULL, 0);
	}
}

static _Noreturn void
fail(const char *step)
{
	printf("not ok - %s\n", step);
	fflush(stdout);
	stop_server();
	_exit(1);
}

static void
on_alarm(int sig)
{
	(void)sig;
	if (server_pid > 0)
		kill(server_pid, SIGKILL);
	_exit(1);
}

static int
open_socket(struct endpoint *bound)
{
	struct endpoint any = { .ip = ip_v4(127, 0, 0, 1) };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&any, &ss);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock == -1 || bind(sock, (struct sockaddr *)&ss, len) == -1)
		err(1, "socket");
	len = sizeof(ss);
	if (getsockname(sock, (struct sockaddr *)&ss, &len) == -1 ||
	    !endpoint_from_sockaddr((struct sockaddr *)&ss, bound))
		err(1, "getsockname");
	return sock;
}

static void
start_server(const struct endpoint *at)
{
	char port[40], nonce[40];

	snprintf(port, sizeof(port), "--listening-port=%u", at->port);
	snprintf(nonce, sizeof(nonce), "--stale-nonce=%d", NONCE_LIFE_S);
	server_pid = fork();
	if (server_pid == -1)
		err(1, "fork");
	if (server_pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getenv("TURN_PROBE_VERBOSE") == NULL) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	execlp("turnserver", "turnserver", "-n", "--lt-cred-mech", "--user=u:p",
	    "--realm=" REALM, "--listening-ip=127.0.0.1",
	    "--relay-ip=127.0.0.1", port, nonce, "--allow-loopback-peers",
	    "--no-tls", "--no-dtls", "--no-cli", "--no-tcp", "--verbose",
	    "--log-file=stdout", "--pidfile=/dev/null", (char *)NULL);
	_exit(errno == ENOENT ? SKIPPED : 1);
}

static struct mono
clock_of(const struct probe *p)
{
	return mono_add_s(mono_now(), p->skipped_s);
}

static void
send_to(int sock, const struct endpoint *to, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t ss_len = endpoint_to_sockaddr(to, &ss);

	/* What is lost, because nobody listens yet, is sent again. */
	(void)sendto(sock, data, len, 0, (struct sockaddr *)&ss, ss_len);
}

static void
count(struct probe *p, const struct datagram *d)
{
	struct stun_message m;

	if (!stun_parse(d->data, d->length, &m))
		fail("what we send is STUN");
	p->bindings += m.type == STUN_BINDING_REQUEST;
	p->allocates += m.type == STUN_ALLOCATE_REQUEST;
	p->refreshes += m.type == STUN_REFRESH_REQUEST;
	p->binds += m.type == STUN_CHANNEL_BIND_REQUEST;
}

static void
drain(struct probe *p)
{
	struct allocation_event e;
	struct datagram d;

	while (allocation_transmit(p->allocation, &d)) {
		count(p, &d);
		send_to(p->sock, &d.to, d.data, d.length);
	}
	while (allocation_event(p->allocation, &e)) {
		if (e.type == ALLOCATION_RELAYED)
			p->relayed = e.address;
		if (e.type == ALLOCATION_WITHDRAWN)
			p->withdrawn = true;
		if (e.type == ALLOCATION_CHANNEL_CHANGED)
			p->bound = e.channel != 0;
	}
}

static size_t
receive(int sock, uint8_t data[DATAGRAM_MAX], struct endpoint *from)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(sock, data, DATAGRAM_MAX, MSG_DONTWAIT,
	    (struct sockaddr *)&ss, &len);

	if (n <= 0 || !endpoint_from_sockaddr((struct sockaddr *)&ss, from))
		return 0;
	return (size_t)n;
}

static void
take_input(struct probe *p)
{
	uint8_t data[DATAGRAM_MAX];
	struct stun_message m;
	struct endpoint from;
	size_t len = receive(p->sock, data, &from);

	if (len == 0)
		return;
	if (stun_parse(data, len, &m)) {
		if (getenv("TURN_PROBE_VERBOSE") != NULL)
			printf("< %04x error %u\n", m.type, m.error);
		if (m.type == STUN_ALLOCATE_SUCCESS && p->lose > 0) {
			p->lose--;
			return;
		}
		allocation_input(
		    p->allocation, clock_of(p), &p->local, &from, &m);
	} else {
		memcpy(p->received, data, len);
		p->received_len = len;
	}
}

/* One turn of the loop, of at most ms. */
static void
turn(struct probe *p, int ms)
{
	struct pollfd fd = { .fd = p->sock, .events = POLLIN };

	drain(p);
	if (poll(&fd, 1, ms) > 0)
		take_input(p);
	if (mono_due(allocation_deadline(p->allocation), clock_of(p)))
		allocation_timeout(p->allocation, clock_of(p));
	drain(p);
}

static void
idle(struct probe *p, int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);

	while (!mono_due(end, mono_now()))
		turn(p, 20);
}

/* Turns the loop until the condition holds. */
#define UNTIL(p, condition, step)                                   \
	do {                                                        \
		struct mono end = mono_add_ms(mono_now(), STEP_MS); \
		while (!(condition)) {                              \
			if (mono_due(end, mono_now()))              \
				fail(step);                         \
			turn((p), 20);                              \
		}                                                   \
		printf("ok - %s\n", step);                          \
	} while (0)

static void
begin(struct probe *p)
{
	allocation_free(p->allocation);
	p->allocation = allocation_new(&p->config, clock_of(p));
	if (p->allocation == NULL)
		err(1, "allocation");
	p->relayed.ip.family = IP_NONE;
	p->withdrawn = false;
	p->bound = false;
	p->bindings = p->allocates = p->refreshes = p->binds = 0;
}

static void
allocate(struct probe *p, const char *step)
{
	begin(p);
	UNTIL(p, p->relayed.ip.family != IP_NONE, step);
	printf("    %zu Binding, %zu Allocate, %zu Refresh; rtt %lld us\n",
	    p->bindings, p->allocates, p->refreshes,
	    (long long)allocation_rtt_us(p->allocation));
}

static const struct turn_owner nobody;

static void
bind_channel(struct probe *p)
{
	allocation_bind(p->allocation, clock_of(p), &p->peer, &nobody);
	UNTIL(p, p->bound, "ChannelBind");
}

/* One datagram to the peer and one back, through the channel. */
static void
exchange(struct probe *p, const char *step)
{
	uint8_t out[9] = { 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o' };
	uint8_t in[DATAGRAM_MAX];
	struct endpoint from, server, of;
	size_t len = 0;

	store_be16(
	    out, allocation_channel(p->allocation, clock_of(p), &p->peer));
	if (!allocation_server(p->allocation, &server))
		fail("an active socket");
	send_to(p->sock, &server, out, sizeof(out));
	UNTIL(p, (len = receive(p->peer_sock, in, &from)) > 0, step);
	if (len != 5 || memcmp(in, "hello", 5) != 0 ||
	    !endpoint_equal(&from, &p->relayed))
		fail("the peer sees our data, from the relayed address");
	p->received_len = 0;
	send_to(p->peer_sock, &from, "welcome", 7);
	UNTIL(p, p->received_len > 0, "data from the peer");
	if (memcmp(p->received, out, 2) != 0 ||
	    load_be16(p->received + 2) != 7 ||
	    memcmp(p->received + 4, "welcome", 7) != 0)
		fail("ChannelData from the peer");
	if (!allocation_received(p->allocation, load_be16(out), &of) ||
	    !endpoint_equal(&of, &p->peer))
		fail("the channel's peer");
}

static void
refreshes(struct probe *p)
{
	allocation_refresh(p->allocation, clock_of(p));
	idle(p, 1500); /* an unanswered one would have ended it by now */
	if (p->withdrawn || p->refreshes == 0)
		fail("proactive Refresh");
	printf("ok - proactive Refresh\n");

	p->binds = 0;
	p->skipped_s += 241;
	UNTIL(p, p->binds > 0, "the channel's permission is refreshed");
	idle(p, 300); /* its answer: the next jump would be too late for it */
	p->refreshes = 0;
	p->skipped_s += 60;
	UNTIL(p, p->refreshes > 0, "Refresh at half of the lifetime");
	idle(p, 1500);
	if (p->withdrawn)
		fail("the server accepted both");
	exchange(p, "data after the refreshes");
}

static void
release(struct probe *p)
{
	struct datagram d;

	if (!allocation_release(p->allocation, &d))
		fail("release");
	send_to(p->sock, &d.to, d.data, d.length);
	idle(p, 1500); /* coturn deletes within a second */
	allocation_refresh(p->allocation, clock_of(p));
	UNTIL(p, p->withdrawn, "after a release the server has forgotten us");
}

/* It is asked again as if it had not been asked before. */
static void
lost_success(struct probe *p)
{
	p->lose = 2;
	allocate(p, "Allocate although its success was lost twice");
	if (p->lose > 0)
		fail("it was lost");
	p->binds = 0;
	bind_channel(p);
	exchange(p, "data through it");
}

static void
wrong_password(struct probe *p)
{
	strlcpy(p->config.password, "q", sizeof(p->config.password));
	close(p->sock);
	p->sock = open_socket(&p->local);
	begin(p);
	UNTIL(p, allocation_end(p->allocation) != ALLOCATION_ALIVE,
	    "a wrong password ends it");
	if (p->relayed.ip.family != IP_NONE)
		fail("no allocation with a wrong password");
}

int
main(void)
{
	static struct probe p;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, on_alarm);
	alarm(TIME_LIMIT_S);
	if (sodium_init() == -1 || !stun_warm_up())
		errx(1, "crypto");
	/* Taken for a moment to find a free port. */
	close(open_socket(&p.config.address[0]));
	start_server(&p.config.address[0]);
	strlcpy(p.config.username, "u", sizeof(p.config.username));
	strlcpy(p.config.password, "p", sizeof(p.config.password));
	p.sock = open_socket(&p.local);
	p.peer_sock = open_socket(&p.peer);
	usleep(500000);
	if (waitpid(server_pid, &status, WNOHANG) == server_pid) {
		server_pid = -1;
		printf("turnserver does not start\n");
		return WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED
		    ? SKIPPED
		    : 1;
	}

	allocate(&p, "Binding, Allocate");
	bind_channel(&p);
	exchange(&p, "data to the peer");
	refreshes(&p);
	sleep(NONCE_LIFE_S + 1);
	allocation_refresh(p.allocation, clock_of(&p));
	idle(&p, 1500);
	if (p.withdrawn)
		fail("stale nonce");
	printf("ok - stale nonce\n");
	allocate(&p, "Allocate although a process before us had one");
	bind_channel(&p);
	exchange(&p, "data through the second allocation");
	release(&p);
	lost_success(&p);
	wrong_password(&p);
	allocation_free(p.allocation);
	stop_server();
	return 0;
}
