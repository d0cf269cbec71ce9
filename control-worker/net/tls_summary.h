/*
 * What a TLS connection is like, for people: the version of the protocol and
 * whose certificate the server has shown, also where that is not trusted. It is
 * looked at and nothing is decided here: libcurl verifies.
 */
#ifndef CONTROL_WORKER_NET_TLS_SUMMARY_H
#define CONTROL_WORKER_NET_TLS_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#define TLS_ISSUER_MAX 127

struct tls_summary {
	char version[16]; /* "TLSv1.3"; empty before there is a connection */
	bool has_certificate;
	/* Of the server's certificate: printable ASCII, others are '?'. */
	char issuer[TLS_ISSUER_MAX + 1];
	uint64_t not_before, not_after; /* unix seconds */
};

/*
 * Has all of it noted as it is learned; before the transfer begins. The summary
 * has to outlive the handshake. False when libcurl does not take part.
 */
bool tls_summary_watch(CURL *, struct tls_summary *);

#endif /* CONTROL_WORKER_NET_TLS_SUMMARY_H */
