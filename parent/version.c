/* Libraries and the kernel: see version.h. */
#include "parent/version.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "common/sandbox.h"

void
version_print_parent(void)
{
	const struct scmp_version *seccomp = seccomp_version();
	const long landlock = sandbox_landlock_version();
	struct utsname u;

	if (seccomp != NULL)
		printf("libseccomp %u.%u.%u\n", seccomp->major, seccomp->minor,
		    seccomp->micro);
	/* These do not say at run time. */
	printf("built with " POSTERN_BUILT_WITH "\n");
	if (uname(&u) == 0)
		printf("Linux %s (%s)\n", u.release, u.machine);
	printf("seccomp: %s\n",
	    prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L) == -1 && errno == EINVAL
		? "no"
		: "yes");
	if (landlock < 1)
		printf("Landlock: no\n");
	else
		printf("Landlock: version %ld\n", landlock);
}
