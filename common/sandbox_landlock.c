/*
 * Landlock, by its raw system calls: the C library has no wrappers, and the
 * headers of the reference system know only the first of its versions. It backs
 * the root directory and the system call filter and replaces neither: it leaves
 * open descriptors alone and does not know UDP.
 */
#include "common/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define RULE_NET_PORT          2

/* Rights to files, as the kernel numbers them. */
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_REFER       (UINT64_C(1) << 13) /* since version 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* since version 3 */
#define FS_SPOOL                                                      \
	(FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR | \
	    FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER |   \
	    FS_TRUNCATE)

#define NET_BIND_TCP    (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL               (UINT64_C(1) << 1)

struct ruleset {
	uint64_t files;
	uint64_t network; /* since version 4 */
	uint64_t scoped;  /* since version 6 */
};

/* The kernel's structure ends after the descriptor, without padding. */
struct path_rule {
	uint64_t allowed;
	int32_t directory;
} __attribute__((__packed__));

struct port_rule {
	uint64_t allowed;
	uint64_t port;
};

static long
add_landlock_rule(int set, int type, const void *rule)
{
	return syscall(SYS_landlock_add_rule, set, type, rule, 0);
}

/* Every right to files that this version knows. */
static uint64_t
file_rights(long version)
{
	int bits = version >= 5 ? 16 : /* ioctl(2) on devices */
	    version >= 3   ? 15
	    : version == 2 ? 14
			   : 13;

	return (UINT64_C(1) << bits) - 1;
}

static size_t
ruleset_size(long version)
{
	return version >= 6 ? sizeof(struct ruleset)
	    : version >= 4  ? offsetof(struct ruleset, scoped)
			    : offsetof(struct ruleset, network);
}

static void
allow_files(
    const struct sandbox_profile *p, int set, const char *root, uint64_t known)
{
	struct path_rule rule = { .allowed = FS_SPOOL & known };

	rule.directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.directory == -1)
		fatal("%s: cannot open %s", p->process, root);
	if (add_landlock_rule(set, RULE_PATH_BENEATH, &rule) == -1)
		fatal("%s: Landlock refuses %s", p->process, root);
	close(rule.directory);
}

static void
allow_ports(const struct sandbox_profile *p, int set)
{
	for (size_t i = 0; i < p->connect_port_count; i++) {
		struct port_rule rule = {
			.allowed = NET_CONNECT_TCP,
			.port = p->connect_ports[i],
		};

		if (add_landlock_rule(set, RULE_NET_PORT, &rule) == -1)
			fatal("%s: Landlock refuses port %u", p->process,
			    (unsigned)p->connect_ports[i]);
	}
}

/* Less than 1 where there is none. */
long
sandbox_landlock_version(void)
{
	return syscall(
	    SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
}

unsigned
sandbox_landlock(const struct sandbox_profile *p, bool rooted)
{
	long version = sandbox_landlock_version();
	struct ruleset r = { 0 };
	int set;

	if (version < 1)
		return 0;
	r.files = file_rights(version);
	if (version >= 4)
		r.network = p->any_connect_port
		    ? NET_BIND_TCP
		    : NET_BIND_TCP | NET_CONNECT_TCP;
	if (version >= 6)
		r.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	set = (int)syscall(
	    SYS_landlock_create_ruleset, &r, ruleset_size(version), 0);
	if (set == -1)
		fatal("%s: cannot make a Landlock ruleset", p->process);
	if (p->landlock_files && (rooted || p->root != NULL))
		allow_files(p, set, rooted ? "/" : p->root, r.files);
	if (r.network & NET_CONNECT_TCP)
		allow_ports(p, set);
	if (syscall(SYS_landlock_restrict_self, set, 0) == -1)
		fatal("%s: Landlock refuses to confine it", p->process);
	close(set);
	return SANDBOX_LANDLOCK;
}
