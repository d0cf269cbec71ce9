/*
 * The headers of inner packets in numbers: lengths in bytes, and where the
 * fields lie in them (RFC 791, 8200, 9293, 768, 792, 4443).
 */
#ifndef NET_WORKER_CORE_INNER_HEADERS_H
#define NET_WORKER_CORE_INNER_HEADERS_H

#define IPV4_HEADER_LEN  20 /* without options */
#define IPV4_TOTAL       2  /* length of the packet */
#define IPV4_IDENTIFIER  4
#define IPV4_FRAGMENT    6  /* flags and offset */
#define IPV4_DF          0x4000
#define IPV4_PROTOCOL    9
#define IPV4_CHECKSUM    10
#define IPV4_SOURCE      12
#define IPV4_DESTINATION 16

#define IPV6_HEADER_LEN  40
#define IPV6_PAYLOAD     4 /* length of what follows the header */
#define IPV6_NEXT        6
#define IPV6_SOURCE      8
#define IPV6_DESTINATION 24

#define FRAGMENT_HEADER_LEN     8
#define FRAGMENT_OFFSET         2 /* in eights of bytes, above its flags */
#define FRAGMENT_MORE           1
#define FRAGMENT_IDENTIFICATION 4

#define TCP_HEADER_LEN      20 /* without options */
#define TCP_SEQUENCE        4
#define TCP_ACKNOWLEDGEMENT 8
#define TCP_OFFSET          12
#define TCP_FLAGS           13
#define TCP_CHECKSUM        16

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_CWR 0x80

#define UDP_HEADER_LEN 8
#define UDP_LENGTH     4
#define UDP_CHECKSUM   6

#define PORTS_LEN 4 /* of TCP and UDP, source first */

#define ICMP_HEADER_LEN 8
#define ICMP_CHECKSUM   2
#define ICMP_ECHO_ID    4

#endif /* NET_WORKER_CORE_INNER_HEADERS_H */
