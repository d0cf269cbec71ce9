/*
 * The socket pair that the workers talk through. The parent keeps both ends, so
 * that a worker that is started again gets the end of the one before.
 */
#ifndef PARENT_PEER_PAIR_H
#define PARENT_PEER_PAIR_H

struct peer_pair {
	int net, control; /* -1: closed */
};

/* -1 with errno. */
int peer_pair_open(struct peer_pair *);
void peer_pair_close(struct peer_pair *);
/* Throws away what lies in the pair: a dead worker is not to be heard. */
void peer_pair_drain(const struct peer_pair *);

#endif /* PARENT_PEER_PAIR_H */
