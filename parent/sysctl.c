/* Kernel settings that the Gateway needs: see sysctl.h. */
#include "parent/sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/sockets.h"
#include "parent/tun.h"

#define SYSCTL_ROOT   "/proc/sys/"
#define SYSCTL_NAME   128 /* with a slash for every dot */
#define SYSCTL_DIGITS 24

#define CONF_V6    "net/ipv6/conf"
#define FORWARD_V4 "net/ipv4/ip_forward"
#define FORWARD_V6 CONF_V6 "/all/forwarding"
/* Of the device; the switch of the family sets it as well. */
#define TUN_V4 "net/ipv4/conf/" TUN_NAME "/forwarding"
#define TUN_V6 CONF_V6 "/" TUN_NAME "/forwarding"

/* Who needs a setting as long as we run. */
enum sysctl_need {
	SYSCTL_ONCE, /* it does its work at the start */
	SYSCTL_IPV4, /* without it the family is not forwarded */
	SYSCTL_IPV6,
	SYSCTL_USEFUL,
};

/*
 * A setting that we changed, or would if somebody else did, and the descriptor
 * that takes it back.
 */
struct change {
	SLIST_ENTRY(change) next;
	int fd;
	int refused; /* errno of opening it to write; 0: it was not */
	long before, ours;
	bool written; /* by us */
	enum sysctl_need need;
	char name[SYSCTL_NAME];
};

/* The latest first: they are taken back in the opposite order. */
static SLIST_HEAD(, change) changes = SLIST_HEAD_INITIALIZER(changes);

static int
read_value(int fd, long *value)
{
	char text[SYSCTL_DIGITS], *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return -1;
	text[n] = '\0';
	*value = strtol(text, &end, 10);
	if (end == text) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

static int
write_value(int fd, long value)
{
	char text[SYSCTL_DIGITS];
	int len = snprintf(text, sizeof(text), "%ld\n", value);

	return pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
}

/* The value of a setting, or -1. */
static long
current_value(const char *name)
{
	char path[sizeof(SYSCTL_ROOT) + SYSCTL_NAME];
	long value;
	int fd, r;

	snprintf(path, sizeof(path), SYSCTL_ROOT "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	r = read_value(fd, &value);
	close(fd);
	return r == 0 ? value : -1;
}

/* NULL with errno. */
static struct change *
remember_change(const char *name, long before, long ours, enum sysctl_need need)
{
	char path[sizeof(SYSCTL_ROOT) + SYSCTL_NAME];
	struct change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	snprintf(path, sizeof(path), SYSCTL_ROOT "%s", name);
	c->fd = open(path, O_RDWR | O_CLOEXEC);
	c->refused = c->fd == -1 ? errno : 0;
	/* What cannot be written can be looked after. */
	if (c->fd == -1 && need != SYSCTL_ONCE)
		c->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (c->fd == -1) {
		free(c);
		return NULL;
	}
	c->before = before;
	c->ours = ours;
	c->need = need;
	strlcpy(c->name, name, sizeof(c->name));
	SLIST_INSERT_HEAD(&changes, c, next);
	return c;
}

static int
change_sysctl(const char *name, long before, long ours, enum sysctl_need need)
{
	struct change *c = remember_change(name, before, ours, need);

	if (c == NULL)
		return -1;
	if (c->refused != 0) {
		errno = c->refused;
		return -1;
	}
	c->written = write_value(c->fd, ours) == 0;
	return c->written ? 0 : -1;
}

/* The name as operators write it. */
static const char *
dotted_name(const char *name, char to[SYSCTL_NAME])
{
	strlcpy(to, name, SYSCTL_NAME);
	for (char *p = to; *p != '\0'; p++) {
		if (*p == '/')
			*p = '.';
	}
	return to;
}

static void
raise_setting(const char *name, long wanted, enum sysctl_need need)
{
	char text[SYSCTL_NAME];
	long before = current_value(name);

	/* A family that the kernel does not have has no settings either. */
	if (before == -1)
		return;
	if (before >= wanted) {
		if (need != SYSCTL_ONCE)
			(void)remember_change(name, before, before, need);
		return;
	}
	if (change_sysctl(name, before, wanted, need) == 0)
		log_info("sysctl %s raised from %ld to %ld",
		    dotted_name(name, text), before, wanted);
	else
		log_info("cannot set the sysctl %s (%s); set it by hand: "
			 "sysctl -w %s=%ld",
		    dotted_name(name, text), strerrordesc_np(errno), text,
		    wanted);
}

/*
 * A host that forwards ignores router advertisements, and with the switch the
 * kernel drops the default route it learned by one. Value 2 means "even so";
 * where nothing is forwarded it is the same as 1.
 */
static void
keep_router_advertisements(void)
{
	DIR *dir = opendir(SYSCTL_ROOT CONF_V6);
	char name[SYSCTL_NAME];
	const struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "all") == 0 ||
		    strcmp(e->d_name, "lo") == 0 ||
		    strcmp(e->d_name, TUN_NAME) == 0)
			continue;
		if ((size_t)snprintf(name, sizeof(name),
			CONF_V6 "/%s/accept_ra", e->d_name) >= sizeof(name))
			continue;
		if (current_value(name) == 1 &&
		    change_sysctl(name, 1, 2, SYSCTL_ONCE) == -1)
			log_info("cannot set the sysctl %s; the interface may "
				 "lose its default IPv6 route",
			    name);
	}
	closedir(dir);
}

void
sysctls_raise(const struct udp_options *buffers, bool forwarding)
{
	if (buffers != NULL) {
		raise_setting("net/core/rmem_max",
		    buffers->receive_bytes > 0 ? buffers->receive_bytes
					       : UDP_RECEIVE_BYTES,
		    SYSCTL_ONCE);
		raise_setting("net/core/wmem_max",
		    buffers->send_bytes > 0 ? buffers->send_bytes
					    : UDP_SEND_BYTES,
		    SYSCTL_ONCE);
	}
	if (!forwarding)
		return;
	raise_setting(FORWARD_V4, 1, SYSCTL_IPV4);
	raise_setting("net/ipv4/conf/all/src_valid_mark", 1, SYSCTL_USEFUL);
	if (current_value(FORWARD_V6) == 0)
		keep_router_advertisements();
	raise_setting(FORWARD_V6, 1, SYSCTL_IPV6);
	raise_setting(CONF_V6 "/default/forwarding", 1, SYSCTL_USEFUL);
	raise_setting(TUN_V4, 1, SYSCTL_ONCE);
	raise_setting(TUN_V6, 1, SYSCTL_ONCE);
}

static void
append_setting_name(char *to, size_t size, const char *between,
    const char *name, const char *end)
{
	char text[SYSCTL_NAME];

	if (to[0] != '\0')
		strlcat(to, between, size);
	strlcat(to, dotted_name(name, text), size);
	strlcat(to, end, size);
}

/* Somebody has lowered it: raised again, to no less than it was. */
static void
keep_value(struct change *c, bool has_v6, struct sysctl_report *r)
{
	const long wanted = c->ours > 1 ? c->ours : 1;
	long now;

	if (c->need == SYSCTL_ONCE || read_value(c->fd, &now) == -1 ||
	    now >= 1)
		return;
	if (strcmp(c->name, FORWARD_V6) == 0)
		keep_router_advertisements();
	if (write_value(c->fd, wanted) == 0) {
		c->written = true;
		append_setting_name(
		    r->raised, sizeof(r->raised), ", ", c->name, "");
	} else if (c->need == SYSCTL_IPV4 || (c->need == SYSCTL_IPV6 && has_v6))
		append_setting_name(
		    r->missing, sizeof(r->missing), " ", c->name, "=1");
}

/* Opened each time: a device that was renamed has other files then. */
static void
keep_device(const char *name, struct sysctl_report *r)
{
	char path[sizeof(SYSCTL_ROOT) + SYSCTL_NAME];
	int fd;

	if (current_value(name) != 0)
		return;
	snprintf(path, sizeof(path), SYSCTL_ROOT "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd != -1 && write_value(fd, 1) == 0)
		append_setting_name(
		    r->raised, sizeof(r->raised), ", ", name, "");
	else
		append_setting_name(
		    r->missing, sizeof(r->missing), " ", name, "=1");
	if (fd != -1)
		close(fd);
}

void
sysctls_keep(bool has_v6, struct sysctl_report *r)
{
	struct change *c;

	*r = (struct sysctl_report){ 0 };
	SLIST_FOREACH(c, &changes, next)
		keep_value(c, has_v6, r);
	if (r->missing[0] != '\0')
		return;
	keep_device(TUN_V4, r);
	if (has_v6)
		keep_device(TUN_V6, r);
}

bool
sysctls_forwarding_is_ours(enum ip_family family)
{
	const char *name = family == IP_V4 ? FORWARD_V4 : FORWARD_V6;
	const struct change *c;

	SLIST_FOREACH(c, &changes, next)
		if (strcmp(c->name, name) == 0)
			return c->written && c->before < 1;
	return false;
}

/* What somebody else has set meanwhile stays. */
static void
restore_value(const struct change *c)
{
	long now;

	if (!c->written || read_value(c->fd, &now) == -1 || now != c->ours)
		return;
	if (write_value(c->fd, c->before) == -1)
		log_warn(
		    "cannot set the sysctl %s back to %ld", c->name, c->before);
}

void
sysctls_restore(void)
{
	struct change *c;

	while ((c = SLIST_FIRST(&changes)) != NULL) {
		SLIST_REMOVE_HEAD(&changes, next);
		restore_value(c);
		close(c->fd);
		free(c);
	}
}
