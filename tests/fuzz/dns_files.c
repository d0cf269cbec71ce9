/* resolv.conf and hosts: any text is one of them. */
#include <stdlib.h>
#include <string.h>

#include "control-worker/dns/hosts.h"
#include "control-worker/dns/resolv_conf.h"
#include "tests/fuzz/fuzz.h"

#define ADDRESSES 4

void
fuzz_one(struct cursor *in)
{
	size_t len = in->left, n;
	struct ip_address found[ADDRESSES];
	struct resolv_conf conf;
	struct hosts *hosts;

	resolv_conf_parse(&conf, (const char *)in->at, len);
	must(conf.server_count > 0 && conf.server_count <= RESOLV_SERVERS);
	must(conf.suffix_count <= RESOLV_SUFFIXES);
	for (size_t i = 0; i < conf.server_count; i++)
		must(conf.servers[i].ip.family != IP_NONE);
	for (size_t i = 0; i < conf.suffix_count; i++)
		must(strnlen(conf.suffixes[i], DNS_NAME_MAX + 1) <=
		    DNS_NAME_MAX);
	must(conf.attempts > 0 && conf.timeout_s > 0);

	hosts = hosts_new((const char *)in->at, len);
	must(hosts != NULL);
	n = hosts_lookup(hosts, "example.com", found, ADDRESSES);
	must(n <= ADDRESSES);
	for (size_t i = 0; i < n; i++)
		must(found[i].family == IP_V4 || found[i].family == IP_V6);
	hosts_free(hosts);
}
