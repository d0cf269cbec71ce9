/* Identity and request: see login.h. */
#include "control-worker/portal/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control-worker/portal/generation.h"

bool
login_identity_copy(
    const struct login_identity *from, struct login_identity *to)
{
	*to = (struct login_identity){
		.external_id = strdup(from->external_id),
		.name = strdup(from->name),
		.token = strdup(from->token),
		.token_source = strdup(from->token_source),
		.os = strdup(from->os),
		.arch = strdup(from->arch),
		.kernel = strdup(from->kernel),
	};
	return to->external_id != NULL && to->name != NULL &&
	    to->token != NULL && to->token_source != NULL && to->os != NULL &&
	    to->arch != NULL && to->kernel != NULL;
}

static void
free_text(const char *text)
{
	free((char *)(uintptr_t)text);
}

void
login_identity_free(struct login_identity *id)
{
	if (id->token != NULL)
		explicit_bzero((char *)(uintptr_t)id->token, strlen(id->token));
	free_text(id->external_id);
	free_text(id->name);
	free_text(id->token);
	free_text(id->token_source);
	free_text(id->os);
	free_text(id->arch);
	free_text(id->kernel);
	*id = (struct login_identity){ 0 };
}

void
user_agent_format(const struct generation *g, const struct login_identity *id,
    char *to, size_t size)
{
	const char *arch = id->arch, *kernel = id->kernel;
	const char *both = arch[0] != '\0' && kernel[0] != '\0' ? "; " : "";
	char *at = to;

	if (arch[0] == '\0' && kernel[0] == '\0')
		snprintf(to, size, "%s %s", id->os, g->agent);
	else
		snprintf(to, size, "%s %s (%s%s%s)", id->os, g->agent, arch,
		    both, kernel);
	for (const char *c = to; *c != '\0'; c++)
		if (*c >= ' ' && *c <= '~')
			*at++ = *c;
	*at = '\0';
}

bool
login_request_make(struct login_request *r, const struct login_url *url,
    const struct generation *g, const struct login_identity *id,
    const uint8_t public_key[32])
{
	user_agent_format(g, id, r->user_agent, sizeof(r->user_agent));
	r->http = (struct upgrade_request){
		.target = r->target,
		.host = login_url_host_header(url, g, r->host, sizeof(r->host)),
		.user_agent = r->user_agent,
		.token = g->token_in_header ? id->token : NULL,
	};
	return login_url_target(
	    url, g, id, public_key, r->target, sizeof(r->target));
}

void
login_request_wipe(struct login_request *r)
{
	explicit_bzero(r, sizeof(*r));
}

const char *
login_refusal_format(const struct transport_failure *f,
    const struct login_identity *id, char *to, size_t size)
{
	const struct problem *p = &f->problem;

	if (strcmp(p->code, "invalid_token") == 0 ||
	    strcmp(p->code, "missing_token") == 0)
		snprintf(to, size, "the token (%s): check %s", p->code,
		    id->token_source);
	else
		snprintf(to, size, "our login (HTTP status %d): %s", f->status,
		    p->detail[0] != '\0' ? p->detail : "no reason given");
	return to;
}
