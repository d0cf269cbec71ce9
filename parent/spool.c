/* The directory of the flow logs: see spool.h. */
#include "parent/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#define NAME "/flow_logs"

/* It may have been there; others may have their files in it. */
static int
make_state_dir(const char *path)
{
	if (mkdir(path, 0755) == -1)
		return errno == EEXIST ? 0 : -1;
	return chmod(path, 0755);
}

/*
 * The group is ours, which lets a new control-worker enter it before it has
 * changed its user: by then the parent has given up the capability to pass by
 * the permissions of files.
 */
static int
give_spool(int fd, uid_t uid)
{
	if (uid == (uid_t)-1)
		return fchmod(fd, 0700);
	if (fchown(fd, uid, getegid()) == -1)
		return -1;
	return fchmod(fd, 0710);
}

/*
 * As a package makes it beforehand. Then we need no right to pass by the
 * permissions of files, which a service manager may have taken from us.
 */
static bool
is_spool_made(const char *path, uid_t uid)
{
	const mode_t mode = uid == (uid_t)-1 ? 0700 : 0710;
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_uid == (uid == (uid_t)-1 ? geteuid() : uid) &&
	    (uid == (uid_t)-1 || st.st_gid == getegid()) &&
	    (st.st_mode & 07777) == mode;
}

static int
make_spool(const char *state_dir, const char *path, uid_t uid)
{
	int fd, r, saved;

	if (make_state_dir(state_dir) == -1)
		return -1;
	if (is_spool_made(path, uid))
		return 0;
	if ((mkdir(path, 0700) == -1 && errno != EEXIST) ||
	    (fd = open(
		 path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return -1;
	r = give_spool(fd, uid);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

bool
spool_may_be_in(const char *state_dir)
{
	return state_dir[0] == '/' &&
	    strlen(state_dir) <= (size_t)STATE_DIR_MAX;
}

void
spool_make(const char *state_dir, uid_t uid, char path[SPOOL_MAX])
{
	path[0] = '\0';
	if (!spool_may_be_in(state_dir)) {
		log_warnx("the state directory must be an absolute path of at "
			  "most %d bytes: flow logs are not uploaded",
		    STATE_DIR_MAX);
		return;
	}
	snprintf(path, SPOOL_MAX, "%s" NAME, state_dir);
	if (make_spool(state_dir, path, uid) == -1) {
		log_warn("cannot make %s: flow logs are not uploaded", path);
		path[0] = '\0';
	}
}
