/*
 * What checks have found, as lines for people and as JSON. A finding says
 * whether something is well, in one sentence that an operator can act on.
 */
#ifndef CONTROL_WORKER_OPERATOR_FINDING_H
#define CONTROL_WORKER_OPERATOR_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "control-worker/net/text.h"
#include "control-worker/operator/ctl_request.h"

#define FINDINGS_MAX        96
#define FINDING_MEMBERS_MAX 4

enum verdict {
	VERDICT_OK,
	VERDICT_NOT_OK,
	VERDICT_UNKNOWN,
};

/* More of a finding, for programs. */
struct finding_member {
	const char *name;
	bool is_number; /* else it is the text */
	int64_t number;
	char text[128];
};

struct finding {
	const char *check;
	enum ip_family family; /* IP_NONE: of neither */
	enum verdict verdict;
	char text[640];
	struct finding_member member[FINDING_MEMBERS_MAX];
	size_t member_count;
};

struct findings {
	struct finding of[FINDINGS_MAX];
	size_t count;
	struct finding spare; /* written in place of one too many */
};

/*
 * Never NULL; members may be added to it. Text, which may quote servers and the
 * like, is made printable.
 */
struct finding *findings_add(struct findings *, const char *check,
    enum ip_family, enum verdict, const char *fmt, ...)
    __attribute__((__format__(printf, 5, 6)));
void finding_add_text(struct finding *, const char *name, const char *text);
void finding_add_number(struct finding *, const char *name, int64_t);

size_t findings_count(const struct findings *, enum verdict);
/* now: unix seconds */
void findings_write(
    const struct findings *, struct text *, enum ctl_form, uint64_t now);

#endif /* CONTROL_WORKER_OPERATOR_FINDING_H */
