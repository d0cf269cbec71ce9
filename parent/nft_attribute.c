/* Attributes of nftables messages: see nft_attribute.h. */
#include "parent/nft_attribute.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "parent/netlink_request.h"

const struct nlattr *
nft_attribute(const struct nlmsghdr *h, uint16_t type)
{
	return netlink_attribute(h, sizeof(struct nfgenmsg), type);
}

uint32_t
nft_number(const struct nlattr *a, uint32_t otherwise)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_U32) == -1)
		return otherwise;
	return ntohl(mnl_attr_get_u32(a));
}

uint64_t
nft_number64(const struct nlattr *a)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_U64) == -1)
		return 0;
	return be64toh(mnl_attr_get_u64(a));
}

const char *
nft_text(const struct nlattr *a)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == -1)
		return "";
	return mnl_attr_get_str(a);
}

bool
nft_text_is(const struct nlattr *a, const char *text)
{
	return strcmp(nft_text(a), text) == 0;
}
