/*
 * What an authorization asks for beside the grant. The portal of a client of
 * 1.3 says it by two messages, a later one's by a single one.
 */
#ifndef COMMON_AUTHORIZATION_H
#define COMMON_AUTHORIZATION_H

enum authorization_kind {
	/* A connection with these keys and credentials, or the one there is. */
	AUTHORIZATION_UPSERT = 0,
	/* A new connection, whatever there was. */
	AUTHORIZATION_CONNECTION = 1,
	/* Nothing: keys and credentials are not told, and need not be known. */
	AUTHORIZATION_ACCESS = 2,
};

#endif /* COMMON_AUTHORIZATION_H */
