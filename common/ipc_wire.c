/* The fields of messages: see ipc_wire.h. */
#include "common/ipc_wire.h"

#include <string.h>

void
put_ip(struct writer *w, const struct ip_address *ip)
{
	writer_u8(w, ip->family);
	writer_bytes(w, ip->bytes, sizeof(ip->bytes));
}

void
get_ip(struct cursor *c, struct ip_address *ip)
{
	ip->family = cursor_u8(c);
	cursor_copy(c, ip->bytes, sizeof(ip->bytes));
	if (ip->family != IP_NONE && ip->family != IP_V4 && ip->family != IP_V6)
		c->failed = true;
	/* One form per address, so that they compare as bytes. */
	for (size_t i = ip_size(ip); i < sizeof(ip->bytes); i++)
		if (ip->bytes[i] != 0)
			c->failed = true;
}

void
put_endpoint(struct writer *w, const struct endpoint *e)
{
	put_ip(w, &e->ip);
	writer_be16(w, e->port);
}

void
get_endpoint(struct cursor *c, struct endpoint *e)
{
	get_ip(c, &e->ip);
	e->port = cursor_be16(c);
}

void
put_prefix(struct writer *w, const struct ip_prefix *p)
{
	put_ip(w, &p->ip);
	writer_u8(w, p->length);
}

void
get_prefix(struct cursor *c, struct ip_prefix *p)
{
	get_ip(c, &p->ip);
	p->length = cursor_u8(c);
	if (p->length > ip_size(&p->ip) * 8)
		c->failed = true;
	for (size_t i = p->length; i < ip_size(&p->ip) * 8; i++)
		if (p->ip.bytes[i / 8] & (0x80 >> (i % 8)))
			c->failed = true;
}

void
put_text(struct writer *w, const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len > max)
		w->failed = true;
	writer_be16(w, (uint16_t)len);
	writer_bytes(w, text, len);
}

void
get_text(struct cursor *c, char *to, size_t max, bool newlines)
{
	size_t len = cursor_be16(c);
	const uint8_t *bytes;

	to[0] = '\0';
	if (len > max)
		c->failed = true;
	if ((bytes = cursor_bytes(c, len)) == NULL)
		return;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] == 0x7f ||
		    (bytes[i] < 0x20 && !(newlines && bytes[i] == '\n')))
			c->failed = true;
	memcpy(to, bytes, len);
	to[len] = '\0';
}

void
put_filters(
    struct writer *w, const struct filter *filters, size_t count, size_t max)
{
	if (count > max)
		w->failed = true;
	writer_be16(w, (uint16_t)count);
	for (size_t i = 0; i < count && !w->failed; i++) {
		writer_u8(w, filters[i].protocol);
		writer_be16(w, filters[i].first);
		writer_be16(w, filters[i].last);
	}
}

uint16_t
get_filters(struct cursor *c, struct filter *filters, size_t max)
{
	uint16_t count = cursor_be16(c);

	if (count > max)
		c->failed = true;
	for (size_t i = 0; i < count && !c->failed; i++) {
		filters[i].protocol = cursor_u8(c);
		filters[i].first = cursor_be16(c);
		filters[i].last = cursor_be16(c);
		if (filters[i].protocol < FILTER_TCP ||
		    filters[i].protocol > FILTER_ICMP)
			c->failed = true;
	}
	return count;
}

void
put_opaque(struct writer *w, const uint8_t *bytes, size_t len, size_t max)
{
	if (len > max)
		w->failed = true;
	writer_be16(w, (uint16_t)len);
	if (!w->failed)
		writer_bytes(w, bytes, len);
}

uint16_t
get_opaque(struct cursor *c, uint8_t *to, size_t max)
{
	uint16_t len = cursor_be16(c);

	if (len > max)
		c->failed = true;
	else
		cursor_copy(c, to, len);
	return len;
}

void
put_ips(
    struct writer *w, const struct ip_address *ips, size_t count, size_t max)
{
	if (count > max)
		w->failed = true;
	writer_be16(w, (uint16_t)count);
	for (size_t i = 0; i < count && !w->failed; i++)
		put_ip(w, &ips[i]);
}

/* Lists hold addresses only: IP_NONE is none. */
uint16_t
get_ips(struct cursor *c, struct ip_address *ips, size_t max)
{
	uint16_t count = cursor_be16(c);

	if (count > max)
		c->failed = true;
	for (size_t i = 0; i < count && !c->failed; i++) {
		get_ip(c, &ips[i]);
		if (ips[i].family == IP_NONE)
			c->failed = true;
	}
	return count;
}

void
put_paths(
    struct writer *w, const struct flow_path *paths, size_t count, size_t max)
{
	if (count > max)
		w->failed = true;
	writer_be16(w, (uint16_t)count);
	for (size_t i = 0; i < count && !w->failed; i++) {
		put_endpoint(w, &paths[i].from);
		put_endpoint(w, &paths[i].local);
		writer_be64(w, paths[i].at);
	}
}

uint16_t
get_paths(struct cursor *c, struct flow_path *paths, size_t max)
{
	uint16_t count = cursor_be16(c);

	if (count > max)
		c->failed = true;
	for (size_t i = 0; i < count && !c->failed; i++) {
		get_endpoint(c, &paths[i].from);
		get_endpoint(c, &paths[i].local);
		paths[i].at = cursor_be64(c);
	}
	return count;
}

uint8_t
get_u8(struct cursor *c, int low, int high)
{
	uint8_t v = cursor_u8(c);

	if (v < low || v > high)
		c->failed = true;
	return v;
}
