/* The parent and the kernel's choice when memory is short: see oom.h. */
#include "parent/oom.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define SCORE_FILE "/proc/self/oom_score_adj"
/* Short of never: a leak of our own must have an end. */
#define SPARED "-900"

/* Of whoever started us with it, and for the workers then. */
#define USUAL "0"

static char before[16]; /* empty: nothing was changed */

static int
write_score(const char *text)
{
	int fd = open(SCORE_FILE, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == -1 ? -1 : 0;
}

static bool
read_score(char to[sizeof(before)])
{
	int fd = open(SCORE_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, to, sizeof(before) - 1);
	close(fd);
	if (n <= 0)
		return false;
	to[n] = '\0';
	return true;
}

void
oom_spare(void)
{
	char score[sizeof(before)];

	if (!read_score(score))
		return;
	if (atoi(score) <= atoi(SPARED)) {
		strlcpy(before, USUAL, sizeof(before));
		return;
	}
	if (write_score(SPARED) == -1) {
		log_debug("the parent is not spared when memory is short: it "
			  "takes CAP_SYS_RESOURCE");
		return;
	}
	memcpy(before, score, sizeof(before));
}

int
oom_do_not_spare(void)
{
	return before[0] == '\0' ? 0 : write_score(before);
}
