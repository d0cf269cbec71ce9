/* Addresses written as text. */
#ifndef TESTS_LIB_ADDRESSES_H
#define TESTS_LIB_ADDRESSES_H

#include "common/address.h"
#include "tests/lib/unit.h"

/* NULL: none. */
static inline struct endpoint
at(const char *text)
{
	struct endpoint endpoint = { 0 };

	if (text != NULL)
		assert_true(endpoint_parse(text, &endpoint));
	return endpoint;
}

static inline struct ip_address
ip(const char *text)
{
	struct ip_address address;

	assert_true(ip_parse(text, &address));
	return address;
}

#endif /* TESTS_LIB_ADDRESSES_H */
