/*
 * How each kind of field stands on the wire (fields.def lists them): written at
 * the end of a message, read and checked from its front. What must not be read
 * marks the cursor as failed; a message that is too long, the writer.
 */
#ifndef COMMON_IPC_WIRE_H
#define COMMON_IPC_WIRE_H

#include "common/address.h"
#include "common/buffer.h"
#include "common/filter.h"
#include "common/flow.h"

void put_ip(struct writer *w, const struct ip_address *ip);
void get_ip(struct cursor *c, struct ip_address *ip);
void put_endpoint(struct writer *w, const struct endpoint *e);
void get_endpoint(struct cursor *c, struct endpoint *e);
void put_prefix(struct writer *w, const struct ip_prefix *p);
void get_prefix(struct cursor *c, struct ip_prefix *p);
void put_text(struct writer *w, const char *text, size_t max);
void get_text(struct cursor *c, char *to, size_t max, bool newlines);
void put_filters(
    struct writer *w, const struct filter *filters, size_t count, size_t max);
uint16_t get_filters(struct cursor *c, struct filter *filters, size_t max);
void put_opaque(struct writer *w, const uint8_t *bytes, size_t len, size_t max);
uint16_t get_opaque(struct cursor *c, uint8_t *to, size_t max);
void put_ips(
    struct writer *w, const struct ip_address *ips, size_t count, size_t max);
uint16_t get_ips(struct cursor *c, struct ip_address *ips, size_t max);
void put_paths(
    struct writer *w, const struct flow_path *paths, size_t count, size_t max);
uint16_t get_paths(struct cursor *c, struct flow_path *paths, size_t max);
uint8_t get_u8(struct cursor *c, int low, int high);

#endif /* COMMON_IPC_WIRE_H */
