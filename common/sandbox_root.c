/*
 * A root directory of the process's own. With CAP_SYS_ADMIN it gets a mount
 * namespace that holds nothing but an empty read-only file system, or the one
 * directory that the profile names. Where mounts are refused (a container), it
 * is a chroot, into a directory that has been removed when it shall be empty:
 * nothing can be made in one of those.
 */
#include "common/sandbox_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

/*
 * The empty root is mounted here in the process's own namespace. The process
 * came from /proc/self/exe, so it is there.
 */
#define EMPTY_MOUNT_POINT "/proc"

/* Where a directory can be made and removed again. */
static const char *const scratch[] = {
	"/run/posternd.XXXXXX",
	"/tmp/posternd.XXXXXX",
	"/dev/shm/posternd.XXXXXX",
	"/var/tmp/posternd.XXXXXX",
};

/* -1 with errno where the kernel or the container refuses. */
static int
mount_root(const char *root)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return -1;
	if (root == NULL) {
		root = EMPTY_MOUNT_POINT;
		return mount("tmpfs", root, "tmpfs", flags | MS_RDONLY,
			   "nr_inodes=2,mode=0555") == -1
		    ? -1
		    : chdir(root);
	}
	if (mount(root, root, NULL, MS_BIND, NULL) == -1 ||
	    mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | flags, NULL) == -1)
		return -1;
	return chdir(root);
}

/* The mounted directory becomes the root and the old one goes away. */
static int
pivot_to_mount(void)
{
	if (syscall(SYS_pivot_root, ".", ".") == -1)
		return -1;
	return umount2(".", MNT_DETACH);
}

static int
enter_removed_directory(void)
{
	for (size_t i = 0; i < sizeof(scratch) / sizeof(*scratch); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s", scratch[i]);
		if (mkdtemp(path) == NULL)
			continue;
		if (chdir(path) == 0 && rmdir(path) == 0)
			return 0;
		(void)rmdir(path);
	}
	return -1;
}

static int
change_by_chroot(const char *root)
{
	if (root == NULL ? enter_removed_directory() : chdir(root))
		return -1;
	return chroot(".");
}

unsigned
sandbox_change_root(const struct sandbox_profile *p)
{
	unsigned lock = SANDBOX_ROOT;

	if (mount_root(p->root) == -1 || pivot_to_mount() == -1) {
		if (errno != EPERM && errno != EACCES && errno != EINVAL)
			fatal("%s: cannot mount its root", p->process);
		log_debug(
		    "%s: mounts are refused here; chroot instead", p->process);
		if (change_by_chroot(p->root) == -1) {
			if (geteuid() == 0)
				fatal("%s: cannot change its root; it needs "
				      "CAP_SYS_CHROOT",
				    p->process);
			return 0;
		}
		lock = SANDBOX_CHROOT;
	}
	/* A working directory outside of the root would be a way out. */
	if (chdir("/") == -1)
		fatal("%s: cannot enter its root", p->process);
	return lock;
}
