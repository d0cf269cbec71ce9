/*
 * What the portal's init says of flow logs: firezone-policy(7), Flow settings
 * and Spool.
 */
#ifndef CONTROL_WORKER_FLOW_SETTINGS_H
#define CONTROL_WORKER_FLOW_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_URL_MAX           2048
#define FLOW_INTERVAL_MAX      (30 * 86400)
#define FLOW_BATCH_DEFAULT     1000
#define FLOW_BATCH_MAX         10000 /* of the server */
#define FLOW_SETTINGS_TEXT_MAX (6 * FLOW_URL_MAX + 128)

struct json_value;

/* With an interval of 0, or with no URL, nothing is uploaded. */
struct flow_settings {
	char api_url[FLOW_URL_MAX + 1];
	uint32_t interval_s;
	uint32_t batch_size;
};

/* The portal's form; what is missing or senseless is "no uploads". */
void flow_settings_parse(const struct json_value *, struct flow_settings *);
/* upload.json. False when it is none. */
bool flow_settings_read(const char *, size_t len, struct flow_settings *);
size_t flow_settings_format(
    const struct flow_settings *, char to[FLOW_SETTINGS_TEXT_MAX]);

#endif /* CONTROL_WORKER_FLOW_SETTINGS_H */
