/*
 * Tells the service manager that started us, if it wants to know (sd_notify(3),
 * Type=notify), that we are ready, how we are, that we live, and that we end.
 */
#ifndef PARENT_NOTIFY_H
#define PARENT_NOTIFY_H

#include <stdbool.h>

#define NOTIFY_STATUS_MAX 1200

struct notifier {
	int fd; /* -1: nobody wants to know */
	bool watchdog;
	char status[NOTIFY_STATUS_MAX]; /* as told last */
};

/*
 * Takes NOTIFY_SOCKET and WATCHDOG_USEC from the environment; to be called
 * while we may still connect to the socket.
 */
void notify_open(struct notifier *);
void notify_close(struct notifier *);
void notify_ready(struct notifier *);
void notify_stopping(struct notifier *);
/* One line; not told again while it stays the same. */
void notify_status(struct notifier *, const char *status);
/* Feeds the watchdog, if there is one. To be called every few seconds. */
void notify_alive(struct notifier *);

#endif /* PARENT_NOTIFY_H */
