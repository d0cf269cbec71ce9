/* Resource records: see record.h. */
#include "control-worker/dns/record.h"

bool
dns_record_read(struct cursor *c, const uint8_t *message, struct dns_record *r)
{
	if (!dns_name_read(c, message, &r->owner))
		return false;
	r->type = cursor_be16(c);
	r->class = cursor_be16(c);
	r->ttl_s = cursor_be32(c);
	/* RFC 2181 8: what would be negative is none. */
	if (r->ttl_s > INT32_MAX)
		r->ttl_s = 0;
	r->data = cursor_sub(c, cursor_be16(c));
	return !cursor_failed(c);
}
