/* A spool in a folder of its own, and reports to put into it. */
#ifndef TESTS_LIB_SPOOL_H
#define TESTS_LIB_SPOOL_H

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/flow/segment.h"
#include "control-worker/flow/spool.h"
#include "tests/lib/flow.h"
#include "tests/lib/unit.h"

#define HOME "responder/" FLOW_AUTHORIZATION

static char root[64], jwt[16384];
static struct spool *s;
static const struct spool_dir dir = { FLOW_RESPONDER, FLOW_AUTHORIZATION };

static inline const char *
path(const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s/%s", root, name);
	return text;
}

static inline bool
exists(const char *name)
{
	return access(path(name), F_OK) == 0;
}

static inline void
write_text(const char *name, const char *text)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline int
set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_flow_spool.XXXXXX");
	assert_non_null(mkdtemp(root));
	s = spool_open(root, 100);
	assert_non_null(s);
	return 0;
}

static inline int
tear_down(void **state)
{
	char command[128];

	(void)state;
	spool_close(s);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static inline void
reopen(size_t max)
{
	spool_close(s);
	s = spool_open(root, max);
	assert_non_null(s);
}

static inline void
put_token(const char *claims)
{
	struct flow_token t;

	flow_jwt(FLOW_HEADER, claims, jwt);
	assert_true(flow_token_parse(jwt, strlen(jwt), &t));
	spool_put_token(s, &t, jwt);
}

/* Flow number n, in the order of age. */
static inline struct ipc_flow
flow(unsigned n, bool closed)
{
	struct ipc_flow f = flow_report(closed);

	f.started_at += n * UINT64_C(1000000000);
	return f;
}

static inline void
put(unsigned n, bool closed)
{
	struct ipc_flow f = flow(n, closed);

	spool_put_report(s, &f);
}

static inline size_t
count_names(void)
{
	size_t n;

	free(spool_names(s, &dir, &n));
	return n;
}

static inline void
remove_one(const char *name)
{
	spool_name names[1];

	strcpy(names[0], name);
	spool_remove(s, &dir, names, 1);
}

/* The text of a file of the authorization, terminated. */
static inline char *
read_text(const char *name)
{
	static char text[1 << 20];
	int fd = open(path(name), O_RDONLY);
	ssize_t n;

	assert_true(fd != -1);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

#define SEGMENT(number) HOME "/000000000" #number ".reports"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif /* TESTS_LIB_SPOOL_H */
