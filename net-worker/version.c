/* The libraries of the net-worker, for --version. */
#include <sodium.h>
#include <stdio.h>
#include <uv.h>

#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#include "net-worker/core/aead.h"
#include "net-worker/net_worker.h"

void
net_worker_print_version(void)
{
	struct aead *aead = aead_new();

	printf("libsodium %s\nlibuv %s\n", sodium_version_string(),
	    uv_version_string());
#ifdef HAVE_IPSEC_MB
	printf("intel-ipsec-mb %s\n", imb_get_version_str());
#endif
	printf("ChaCha20-Poly1305 by %s\n",
	    aead == NULL ? "none that works" : aead_name(aead));
	if (aead != NULL)
		aead_free(aead);
}
