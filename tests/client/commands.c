/* Commands of tests: see commands.h. */
#include "tests/client/commands.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>

#include "tests/client/client.h"

static void
on_assign(struct client *c, char **word)
{
	struct ip_address proxies[NAME_PROXIES_MAX];
	size_t count = 0;
	char *text;

	while ((text = strsep(&word[3], " ")) != NULL) {
		if (count == NAME_PROXIES_MAX ||
		    !ip_parse(text, &proxies[count++])) {
			debug(
			    c, "assign: %s: not an address, or too many", text);
			return;
		}
	}
	names_assign(c, word[1], word[2], proxies, count);
}

static void
on_inject(struct client *c, char **word)
{
	uint8_t packet[PACKET_MAX];
	size_t len;

	if (sodium_hex2bin(packet, sizeof(packet), word[1], strlen(word[1]),
		NULL, &len, NULL) == -1)
		debug(c, "inject: not hex, or too long");
	else if (!tunnel_ready(c))
		debug(c, "inject: there is no session");
	else
		tunnel_send(c, packet, len);
}

static void
on_roam(struct client *c, char **word)
{
	struct ip_address local[2] = { 0 }, ip;
	char *text;

	while ((text = strsep(&word[1], " ")) != NULL) {
		if (!ip_parse(text, &ip)) {
			debug(c, "roam: %s: not an address", text);
			return;
		}
		local[family_index(&ip)] = ip;
	}
	client_roam(c, local);
}

static const struct line_command commands[] = {
	{ "assign", 4, on_assign },
	{ "inject", 2, on_inject },
	{ "roam", 2, on_roam },
};

int
commands_open(struct commands *o, const char *fifo)
{
	/* For writing as well: no end of file between two writers. */
	o->fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return o->fd;
}

bool
commands_input(struct client *c)
{
	return lines_input(c, c->commands.fd, &c->commands.lines, commands,
	    sizeof(commands) / sizeof(commands[0]));
}
