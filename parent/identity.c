/* Identity, name and machine: see identity.h. */
#include "parent/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/uuid.h"

/* Of the reference's application; hashed with a machine's id it is ours. */
#define APPLICATION_KEY "753b38f9f96947ef8083802d5909a372"
#define STATE_FILE      "gateway_id"

const struct identity_paths identity_paths = {
	.state_directory = "/var/lib/firezone",
	.machine_id = "/etc/machine-id",
	.os_release = "/etc/os-release",
};

/* The file's bytes, terminated; -1 with errno, EFBIG when they do not fit. */
static ssize_t
read_text_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, to, size);
	error = errno;
	close(fd);
	if (n == (ssize_t)size)
		error = EFBIG;
	if (n == -1 || n == (ssize_t)size) {
		errno = error;
		return -1;
	}
	to[n] = '\0';
	return n;
}

static const char *
skip_chars_of(const char *text, const char *set)
{
	return text + strspn(text, set);
}

/*
 * {"id":"..."} and nothing else. The file is the reference's or ours, so that
 * a real JSON parser is not wanted in this process: an escape is refused.
 */
static bool
parse_state(const char *text, char to[IDENTITY_MAX])
{
	static const char space[] = " \t\r\n";
	size_t len;

	text = skip_chars_of(text, space);
	if (*text++ != '{')
		return false;
	text = skip_chars_of(text, space);
	if (strncmp(text, "\"id\"", 4) != 0)
		return false;
	text = skip_chars_of(text + 4, space);
	if (*text++ != ':')
		return false;
	text = skip_chars_of(text, space);
	if (*text++ != '"')
		return false;
	len = strcspn(text, "\"\\");
	if (len == 0 || len >= IDENTITY_MAX || text[len] != '"')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	memcpy(to, text, len);
	to[len] = '\0';
	text = skip_chars_of(text + len + 1, space);
	return *text == '}' && *skip_chars_of(text + 1, space) == '\0';
}

/* 1: found, 0: there is none, -1: there is one, but not for us. */
static int
read_state(
    const char *directory, char to[IDENTITY_MAX], char *why, size_t why_size)
{
	char path[512], text[1024];

	snprintf(path, sizeof(path), "%s/" STATE_FILE, directory);
	if (read_text_file(path, text, sizeof(text)) == -1) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		snprintf(why, why_size, "cannot read %s: %s; set FIREZONE_ID",
		    path, strerror(errno));
		return -1;
	}
	if (!parse_state(text, to)) {
		snprintf(why, why_size,
		    "%s does not have the form {\"id\":\"...\"}; mend it or "
		    "set FIREZONE_ID",
		    path);
		return -1;
	}
	return 1;
}

static void
hmac_hex(const void *message, size_t len, char to[IDENTITY_MAX])
{
	crypto_auth_hmacsha256_state state;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256_init(
	    &state, (const uint8_t *)APPLICATION_KEY, strlen(APPLICATION_KEY));
	crypto_auth_hmacsha256_update(&state, message, len);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(to, IDENTITY_MAX, mac, sizeof(mac));
}

/*
 * The raw content, newline included. An image whose id is still to be made has
 * an empty file or this word; all its copies would be one gateway.
 */
static bool
derive_id(const char *machine_id, char to[IDENTITY_MAX])
{
	char text[256];
	ssize_t n = read_text_file(machine_id, text, sizeof(text));

	if (n <= 0 || *skip_chars_of(text, " \n") == '\0' ||
	    strncmp(text, "uninitialized", strlen("uninitialized")) == 0)
		return false;
	hmac_hex(text, (size_t)n, to);
	return true;
}

static void
random_uuid(char to[UUID_TEXT_LEN + 1])
{
	struct uuid uuid;

	randombytes_buf(uuid.bytes, sizeof(uuid.bytes));
	uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
	uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
	uuid_format(&uuid, to);
}

static void
generate_id(char to[IDENTITY_MAX])
{
	char text[UUID_TEXT_LEN + 1];
	uint8_t hash[crypto_hash_sha256_BYTES];

	random_uuid(text);
	crypto_hash_sha256(hash, (const uint8_t *)text, UUID_TEXT_LEN);
	sodium_bin2hex(to, IDENTITY_MAX, hash, sizeof(hash));
}

static int
write_text_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = write(fd, text, strlen(text));
	if (n == (ssize_t)strlen(text) && fsync(fd) == 0)
		return close(fd);
	if (n != -1)
		errno = ENOSPC;
	close(fd);
	return -1;
}

/* Whole or not at all, and never over one that somebody else stored. */
static int
store_id(const char *directory, const char *id, char *why, size_t why_size)
{
	char path[512], draft[560], text[IDENTITY_MAX + 16];
	int r = -1;

	snprintf(path, sizeof(path), "%s/" STATE_FILE, directory);
	snprintf(draft, sizeof(draft), "%s.%ld", path, (long)getpid());
	snprintf(text, sizeof(text), "{\"id\":\"%s\"}", id);
	if (mkdir(directory, 0770) == 0 || errno == EEXIST) {
		if (write_text_file(draft, text) == 0)
			r = link(draft, path);
	}
	if (r == -1)
		snprintf(why, why_size,
		    "cannot keep a new identity in %s: %s; set FIREZONE_ID",
		    path, strerror(errno));
	(void)unlink(draft);
	return r;
}

static int
determine_id(const struct identity_paths *paths, const char *id,
    char to[IDENTITY_MAX], char *why, size_t why_size)
{
	int r;

	if (id != NULL) {
		if (strlcpy(to, id, IDENTITY_MAX) < IDENTITY_MAX)
			return 0;
		snprintf(why, why_size, "FIREZONE_ID is too long");
		return -1;
	}
	r = read_state(paths->state_directory, to, why, why_size);
	if (r != 0)
		return r == 1 ? 0 : -1;
	if (derive_id(paths->machine_id, to))
		return 0;
	generate_id(to);
	return store_id(paths->state_directory, to, why, why_size);
}

int
identity_check(const struct identity_paths *paths, char *why, size_t why_size)
{
	char id[IDENTITY_MAX];

	return read_state(paths->state_directory, id, why, why_size) == -1 ? -1
									   : 0;
}

static void
determine_name(const char *name, char to[IDENTITY_MAX])
{
	char host[IDENTITY_MAX] = "";

	if (name != NULL) {
		strlcpy(to, name, IDENTITY_MAX);
		return;
	}
	if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0')
		strlcpy(to, host, IDENTITY_MAX);
	else
		random_uuid(to);
}

/* KEY=value or KEY="value" on a line of its own; "" when it is not there. */
static void
os_release_field(const char *text, const char *key, char *to, size_t size)
{
	size_t key_len = strlen(key), len;

	to[0] = '\0';
	for (; *text != '\0';
	     text = skip_chars_of(text + strcspn(text, "\n"), "\n")) {
		const char *value = text + key_len + 1;

		if (strncmp(text, key, key_len) != 0 || text[key_len] != '=')
			continue;
		if (*value == '"' || *value == '\'')
			value++;
		len = strcspn(value, "\"'\n");
		if (len >= size)
			len = size - 1;
		memcpy(to, value, len);
		to[len] = '\0';
		for (char *p = to; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '?';
		return;
	}
}

static void
determine_os(const char *path, char *to, size_t size)
{
	char text[8192], id[48], version[48];

	if (read_text_file(path, text, sizeof(text)) == -1)
		text[0] = '\0';
	os_release_field(text, "ID", id, sizeof(id));
	os_release_field(text, "VERSION_ID", version, sizeof(version));
	if (id[0] >= 'a' && id[0] <= 'z')
		id[0] = (char)(id[0] - ('a' - 'A'));
	snprintf(to, size, "%s/%s", id[0] == '\0' ? "Linux" : id,
	    version[0] == '\0' ? "Unknown" : version);
}

int
identity_determine(struct identity *i, const struct identity_paths *paths,
    const char *id, const char *name, char *why, size_t why_size)
{
	struct utsname u;

	memset(i, 0, sizeof(*i));
	if (sodium_init() == -1) {
		snprintf(why, why_size, "no random numbers");
		return -1;
	}
	if (determine_id(paths, id, i->external_id, why, why_size) == -1)
		return -1;
	determine_name(name, i->name);
	determine_os(paths->os_release, i->os, sizeof(i->os));
	if (uname(&u) == 0) {
		strlcpy(i->arch, u.machine, sizeof(i->arch));
		strlcpy(i->kernel, u.release, sizeof(i->kernel));
	}
	return 0;
}
