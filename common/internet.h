/*
 * What is the Internet and what is not, by the address alone:
 * firezone-policy(7), Internet resource.
 */
#ifndef COMMON_INTERNET_H
#define COMMON_INTERNET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"

/* Networks that are not; disjoint. Ends with one of no family. */
extern const struct ip_prefix not_internet[];

/* RFC 6052: what a translator of the network makes of the address. */
struct ip_address internet_behind_nat64(const struct ip_address *);
/* Of an IPv4 network: the addresses that are translated into it. */
struct ip_prefix internet_before_nat64(const struct ip_prefix *);
/* Whether it is in none of them, and what it is translated to likewise. */
bool ip_is_internet(const struct ip_address *);

#endif /* COMMON_INTERNET_H */
