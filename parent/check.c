/* Whether the daemon could start: see check.h. */
#include "parent/check.h"

#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "parent/flow_log.h"
#include "parent/identity.h"
#include "parent/spool.h"
#include "parent/tun.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15

static bool
may_administer_network(void)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps == NULL)
		return false;
	(void)cap_get_flag(caps, CAP_NET_ADMIN, CAP_EFFECTIVE, &value);
	cap_free(caps);
	return geteuid() == 0 || value == CAP_SET;
}

bool
find_worker_user(
    const char *name, uid_t *uid, gid_t *gid, char *why, size_t why_size)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		snprintf(why, why_size,
		    "the user %s does not exist; make it by "
		    "\"systemd-sysusers postern.conf\", by "
		    "contrib/make-users of the sources, or by \"useradd "
		    "--system --user-group --no-create-home --home-dir / "
		    "--shell /usr/sbin/nologin %s\"",
		    name, name);
	else if (pw->pw_uid == 0 || pw->pw_gid == 0)
		snprintf(why, why_size, "the user %s must not have id 0", name);
	else {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		return true;
	}
	return false;
}

bool
find_worker_users(uid_t *net, uid_t *control, struct problems *problems)
{
	gid_t gid;
	char why[PROBLEM_TEXT_MAX];
	bool both = true;

	if (!find_worker_user(NET_USER, net, &gid, why, sizeof(why)))
		both = problems_add(problems, "%s", why);
	if (!find_worker_user(CONTROL_USER, control, &gid, why, sizeof(why)))
		both = problems_add(problems, "%s", why);
	if (both && *net == *control)
		both = problems_add(problems,
		    "the users " NET_USER " and " CONTROL_USER
		    " must not share an id");
	return both;
}

bool
check_privileges(const struct options *o, struct problems *problems)
{
	if (o->no_check || may_administer_network())
		return true;
	return problems_add(problems,
	    "posternd needs to be started as root or with "
	    "CAP_NET_ADMIN (--no-check skips this test)");
}

static void
check_readable(const char *path, struct problems *problems)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd == -1)
		problems_add(
		    problems, "cannot read %s: %s", path, strerror(errno));
	else
		close(fd);
}

/* Whether there are any; control-worker finds out whether they are good. */
static void
check_certificates(const char *path, struct problems *problems)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	FILE *file = fd == -1 ? NULL : fdopen(fd, "r");
	bool found = false;
	char line[128];
	size_t size = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		found |= strncmp(line, "-----BEGIN ", 11) == 0 &&
		    strstr(line, "CERTIFICATE-----") != NULL;
		size += strlen(line);
	}
	if (file == NULL || ferror(file))
		problems_add(
		    problems, "cannot read %s: %s", path, strerror(errno));
	else if (!found)
		problems_add(problems,
		    "%s has no certificate in PEM, so that no portal would be "
		    "trusted",
		    path);
	else if (size > CA_BUNDLE_MAX)
		problems_add(problems, "%s is longer than %d bytes", path,
		    CA_BUNDLE_MAX);
	if (file != NULL)
		fclose(file);
	else if (fd != -1)
		close(fd);
}

static void
check_flow_log(const struct options *o, struct problems *problems)
{
	char why[PROBLEM_TEXT_MAX];

	if (flow_log_check(&o->flow_log, why, sizeof(why)) == -1)
		problems_add(problems, "%s", why);
}

static void
check_paths(const struct options *o, struct problems *problems)
{
	check_readable(RESOLV_CONF, problems);
	if (access(HOSTS, F_OK) == 0)
		check_readable(HOSTS, problems);
	check_certificates(o->ca_file, problems);
	check_flow_log(o, problems);
	if (!spool_may_be_in(o->state_dir))
		problems_add(problems,
		    "state-dir must be an absolute path of at most %d bytes",
		    STATE_DIR_MAX);
	if (strlen(o->ctl_socket) >=
	    sizeof(((struct sockaddr_un *)NULL)->sun_path))
		problems_add(
		    problems, "ctl-socket is longer than a socket's path");
}

static void
check_identity(const struct options *o, struct problems *problems)
{
	char why[PROBLEM_TEXT_MAX];

	if (o->id == NULL &&
	    identity_check(&identity_paths, why, sizeof(why)) == -1)
		problems_add(problems, "%s", why);
}

static void
check_token(struct options *o, struct problems *problems)
{
	char why[PROBLEM_TEXT_MAX];

	if (options_take_token(o, why, sizeof(why)) == -1)
		problems_add(problems, "%s", why);
	options_wipe_token(o);
}

/* That the kernel would take such a table; it makes none. */
static void
check_nftables(struct problems *problems)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (nft == NULL) {
		problems_add(
		    problems, "cannot use nftables: %s", strerror(errno));
		return;
	}
	nft_ctx_set_dry_run(nft, true);
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(
		nft, "table inet postern_check { flags owner; }") != 0)
		problems_add(problems,
		    "the kernel refuses a table of nftables; load it with "
		    "\"modprobe nf_tables\"");
	nft_ctx_free(nft);
}

static void
check_kernel(struct problems *problems)
{
	char why[PROBLEM_TEXT_MAX];
	struct utsname u;
	unsigned major, minor;

	if (uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	    (major < KERNEL_MAJOR ||
		(major == KERNEL_MAJOR && minor < KERNEL_MINOR)))
		problems_add(problems, "the kernel %s is older than %d.%d",
		    u.release, KERNEL_MAJOR, KERNEL_MINOR);
	if (prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L) == -1 && errno == EINVAL)
		problems_add(
		    problems, "the kernel has no filters of system calls");
	if (!may_administer_network())
		return; /* it would say no for another reason */
	if (!tun_is_there(why, sizeof(why)))
		problems_add(problems, "%s", why);
	check_nftables(problems);
}

void
check_start(struct options *o, struct problems *problems)
{
	uid_t net, control;

	(void)check_privileges(o, problems);
	check_token(o, problems);
	if (geteuid() == 0) /* else the workers share our user */
		(void)find_worker_users(&net, &control, problems);
	check_identity(o, problems);
	check_paths(o, problems);
	check_kernel(problems);
}
