/*
 * Both ends of the workers' own channel, which the parent keeps, so that it is
 * there for a worker that is started again.
 */
#ifndef PARENT_PEER_PAIR_H
#define PARENT_PEER_PAIR_H

struct peer_pair {
	int net, control; /* -1: closed */
};

/* -1 with errno. */
int peer_pair_open(struct peer_pair *);
void peer_pair_close(struct peer_pair *);
/* Throws away unread what lies in the pair: the dead shall not be heard. */
void peer_pair_drain(const struct peer_pair *);

#endif /* PARENT_PEER_PAIR_H */
