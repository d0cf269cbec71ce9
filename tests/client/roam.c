/* Another network under a running client: firezone-tunnel(7), Clients that
 * roam. */
#include <err.h>
#include <sodium.h>
#include <unistd.h>

#include "tests/client/client.h"

static void
make_new_key(struct client *c)
{
	uint8_t private_key[NOISE_KEY_LEN];

	randombytes_buf(private_key, sizeof(private_key));
	if (!noise_identity(&c->identity, private_key))
		errx(1, "key");
	sodium_memzero(private_key, sizeof(private_key));
}

void
client_roam(struct client *c, const struct ip_address local[2])
{
	io_flush(c);
	for (size_t f = 0; f < 2; f++) {
		if (c->udp[f] != -1)
			close(c->udp[f]);
		io_open(c, f, &local[f]);
	}
	event("roamed");
	if (!c->agreed.iceless) {
		if (c->gateway[0] != '\0')
			client_lost(c, "roam");
		make_new_key(c);
	}
	ice_forget_locals(c);
	iceless_roam(&c->iceless);
	turn_roam(c);
	if (c->agreed.iceless)
		portal_send(c, "reconnect");
	else if (portal_restart(&c->portal, c->identity.public_key) == -1)
		err(1, "%s", c->portal.options.driver);
}
