/* The libraries of the control-worker, for --version. */
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <wslay/wslay.h>
#include <yajl/yajl_version.h>
#include <zlib.h>

#include "control-worker/control_worker.h"

void
control_worker_print_version(void)
{
	const int yajl = yajl_version();

	printf("%s\nlibcurl %s\nwslay %s\nyajl %d.%d.%d\nzlib %s\n",
	    OpenSSL_version(OPENSSL_VERSION),
	    curl_version_info(CURLVERSION_NOW)->version, WSLAY_VERSION,
	    yajl / 10000, yajl / 100 % 100, yajl % 100, zlibVersion());
}
