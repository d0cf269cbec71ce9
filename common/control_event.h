/*
 * Events between a client and us in control packets of the tunnel
 * (firezone-policy(7), Events). net-worker knows the packets, control-worker
 * what is in them.
 */
#ifndef COMMON_CONTROL_EVENT_H
#define COMMON_CONTROL_EVENT_H

enum control_event {
	CONTROL_ASSIGNED_IPS = 0,  /* of the client: addresses for a name */
	CONTROL_DOMAIN_STATUS = 1, /* of ours: what became of that */
	CONTROL_GOODBYE = 2,       /* of either: the connection is over */
};

#endif /* COMMON_CONTROL_EVENT_H */
