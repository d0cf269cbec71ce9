/*
 * The plan of addresses and ports that clients, portal and gateway share
 * (firezone-policy(7), ADDRESSES), each number once.
 *
 * The tunnel ranges hold the addresses that the portal gives to clients and
 * gateways; the proxy ranges those that a client invents for names.
 */
#ifndef COMMON_PLAN_H
#define COMMON_PLAN_H

#include "common/address.h"

#define TUNNEL_RANGE_V4 "100.64.0.0/11"
#define TUNNEL_RANGE_V6 "fd00:2021:1111::/107"
#define PROXY_RANGE_V4  "100.96.0.0/11"
#define PROXY_RANGE_V6  "fd00:2021:1111:8000::/107"

/* The low bits of a tunnel address, which tell clients apart. */
#define TUNNEL_BITS 0x1fffffu

/* Of the UDP sockets, while it is free. */
#define GATEWAY_PORT 52625
/* Of the DNS server on the gateway's own tunnel addresses. */
#define TUNNEL_DNS_PORT      53535
#define TUNNEL_DNS_PORT_TEXT "53535"

/* Of packets that must not go into the tunnel: ours around it. */
#define FIREZONE_MARK 0xfd002021u

extern const struct ip_prefix tunnel_range_v4, tunnel_range_v6;
extern const struct ip_prefix proxy_range_v4, proxy_range_v6;
bool ip_in_tunnel_range(const struct ip_address *);
bool ip_in_proxy_range(const struct ip_address *);

#endif /* COMMON_PLAN_H */
