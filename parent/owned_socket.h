/*
 * Sockets that are made here for control-worker. The packet filter tells its
 * packets from ours by the user of their socket, which is that of whoever made
 * it. So such a socket must be made in control-worker's name: a listener that
 * is handed over can be turned into a socket that goes anywhere by a connect(2)
 * to AF_UNSPEC, which makes one of UDP forget even its device.
 */
#ifndef PARENT_OWNED_SOCKET_H
#define PARENT_OWNED_SOCKET_H

#include <sys/types.h>

/*
 * socket(2) with protocol 0, in the name of that user; it takes CAP_SETUID when
 * that is somebody else. -1 with errno.
 */
int owned_socket(uid_t owner, int family, int type);

#endif /* PARENT_OWNED_SOCKET_H */
