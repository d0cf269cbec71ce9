/* Who is at the other end: see tls_summary.h. */
#include "control-worker/net/tls_summary.h"

#include <string.h>
#include <time.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "control-worker/net/text.h"

#define SECONDS_PER_DAY 86400

/* Where a context of TLS keeps the summary; -1: nowhere. */
static int
summary_index(void)
{
	static int number = -1;

	if (number == -1)
		number = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return number;
}

static uint64_t
unix_time(const ASN1_TIME *t)
{
	time_t now = time(NULL);
	int days, seconds;
	int64_t at;

	if (t == NULL || ASN1_TIME_diff(&days, &seconds, NULL, t) != 1)
		return 0;
	at = (int64_t)now + (int64_t)days * SECONDS_PER_DAY + seconds;
	return at < 0 ? 0 : (uint64_t)at;
}

/* "Organization, name", or the one of them that there is. */
static void
format_issuer(const X509_NAME *name, char to[TLS_ISSUER_MAX + 1])
{
	static const int parts[] = { NID_organizationName, NID_commonName };
	char *at = to, *end = to + TLS_ISSUER_MAX + 1;

	*to = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		char text[TLS_ISSUER_MAX / 2];

		if (X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)name,
			parts[i], text, sizeof(text)) <= 0)
			continue;
		if (at != to)
			at += strlcpy(at, ", ", (size_t)(end - at));
		at += strlcpy(at, text, (size_t)(end - at));
	}
	make_printable(to);
}

static void
note_certificate(struct tls_summary *s, const X509 *certificate)
{
	s->has_certificate = true;
	format_issuer(X509_get_issuer_name(certificate), s->issuer);
	s->not_before = unix_time(X509_get0_notBefore(certificate));
	s->not_after = unix_time(X509_get0_notAfter(certificate));
}

static struct tls_summary *
summary_of(const SSL *ssl)
{
	return ssl == NULL
	    ? NULL
	    : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), summary_index());
}

/* Once for each certificate of the chain, and for each fault of one. */
static int
on_verified(int verdict, X509_STORE_CTX *store)
{
	struct tls_summary *s = summary_of(X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx()));
	const X509 *certificate = X509_STORE_CTX_get0_cert(store);

	if (s != NULL && certificate != NULL && !s->has_certificate)
		note_certificate(s, certificate);
	return verdict;
}

static void
on_handshake(const SSL *ssl, int where, int result)
{
	struct tls_summary *s = summary_of(ssl);
	X509 *certificate;

	(void)result;
	if (s == NULL || (where & SSL_CB_HANDSHAKE_DONE) == 0)
		return;
	strlcpy(s->version, SSL_get_version(ssl), sizeof(s->version));
	/* If libcurl resumes a session (8.12), the session has kept it. */
	if ((certificate = SSL_get_peer_certificate(ssl)) != NULL)
		note_certificate(s, certificate);
	X509_free(certificate);
	/* The connection may live on in libcurl when we are gone. */
	(void)SSL_CTX_set_ex_data(SSL_get_SSL_CTX(ssl), summary_index(), NULL);
}

static CURLcode
watch_context(CURL *easy, void *context, void *summary)
{
	SSL_CTX *ssl = context;

	(void)easy;
	if (SSL_CTX_set_ex_data(ssl, summary_index(), summary) != 1)
		return CURLE_OK;
	SSL_CTX_set_verify(ssl, SSL_CTX_get_verify_mode(ssl), on_verified);
	SSL_CTX_set_info_callback(ssl, on_handshake);
	return CURLE_OK;
}

bool
tls_summary_watch(CURL *easy, struct tls_summary *s)
{
	*s = (struct tls_summary){ 0 };
	return summary_index() != -1 &&
	    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, watch_context) ==
	    CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, s) == CURLE_OK;
}
