/* Messages with their length: see tcp_message.h. */
#include "control-worker/dns/tcp_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/buffer.h"
#include "control-worker/dns/message.h"

#define PREFIX_LEN sizeof(((struct tcp_message *)0)->prefix)

bool
tcp_message_set(struct tcp_message *m, const uint8_t *bytes, size_t len)
{
	tcp_message_clear(m);
	if (len > DNS_MESSAGE_MAX || (m->bytes = malloc(len)) == NULL)
		return false;
	memcpy(m->bytes, bytes, len);
	m->len = len;
	store_be16(m->prefix, (uint16_t)len);
	return true;
}

void
tcp_message_clear(struct tcp_message *m)
{
	free(m->bytes);
	*m = (struct tcp_message){ .bytes = NULL };
}

static int
socket_failed(void)
{
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* Into a place of that size, of which before stands elsewhere. */
static int
read_message_part(
    struct tcp_message *m, int fd, uint8_t *to, size_t size, size_t before)
{
	size_t at = m->done - before;
	ssize_t n = recv(fd, to + at, size - at, 0);

	if (n == -1)
		return socket_failed();
	if (n == 0)
		return -1;
	m->done += (size_t)n;
	return at + (size_t)n == size;
}

int
tcp_message_read(struct tcp_message *m, int fd)
{
	int r;

	if (m->done < PREFIX_LEN) {
		r = read_message_part(m, fd, m->prefix, PREFIX_LEN, 0);
		if (r != 1)
			return r;
		m->len = load_be16(m->prefix);
		if (m->len == 0 || (m->bytes = malloc(m->len)) == NULL)
			return -1;
	}
	return read_message_part(m, fd, m->bytes, m->len, PREFIX_LEN);
}

int
tcp_message_write(struct tcp_message *m, int fd)
{
	size_t of_prefix = m->done < PREFIX_LEN ? m->done : PREFIX_LEN;
	size_t of_bytes = m->done - of_prefix;
	struct iovec parts[] = {
		{ m->prefix + of_prefix, PREFIX_LEN - of_prefix },
		{ m->bytes + of_bytes, m->len - of_bytes },
	};
	struct msghdr all = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n = sendmsg(fd, &all, MSG_NOSIGNAL);

	if (n == -1)
		return socket_failed();
	m->done += (size_t)n;
	return m->done == PREFIX_LEN + m->len;
}
