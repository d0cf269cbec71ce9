/*
 * Other people's forward chains. A packet must be accepted by every table, so
 * an accept of ours does not survive a drop of theirs: where a foreign chain
 * drops what it does not know, two rules go to its top, marked by a comment.
 */
#ifndef PARENT_FORWARD_CHAINS_H
#define PARENT_FORWARD_CHAINS_H

struct netlink;
struct nft_ctx;

/*
 * The netlink socket is NETLINK_NETFILTER. A chain that takes no rule is named
 * in the log with the command that is missing.
 */
void forward_chains_open(struct netlink *, struct nft_ctx *);
/* Removes our rules wherever they are, a crashed run's too. */
void forward_chains_restore(struct netlink *, struct nft_ctx *);

#endif /* PARENT_FORWARD_CHAINS_H */
