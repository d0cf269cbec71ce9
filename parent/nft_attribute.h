/*
 * Attributes of nftables messages, whose numbers are in network byte order.
 */
#ifndef PARENT_NFT_ATTRIBUTE_H
#define PARENT_NFT_ATTRIBUTE_H

#include <stdbool.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

/* Of the message; NULL when it has none. */
const struct nlattr *nft_attribute(const struct nlmsghdr *, uint16_t type);
/* NULL, or of another size: otherwise, 0 and "". */
uint32_t nft_number(const struct nlattr *, uint32_t otherwise);
uint64_t nft_number64(const struct nlattr *);
const char *nft_text(const struct nlattr *);
bool nft_text_is(const struct nlattr *, const char *text);

#endif /* PARENT_NFT_ATTRIBUTE_H */
