/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEAL_H
#define SEAL_H 1

/* Keys, and the seal on every message between a switch and a host: see
 * messages.h for what is under it. */

#include <stdbool.h>
#include <stddef.h>

#include "messages.h"
#include "siphash.h"

/* One generation of the fabric key.  'id' names it in a message, so that the
 * receiver knows which of its keys to check with: it is the low byte of the
 * SipHash of no input, which tells nothing useful about the key. */
struct seal_key {
    struct siphash_key key;
    __u8 id;
};

/* The keys of a fabric: messages are sealed with the first and accepted under
 * any.  With two, keys change without a lost message.  Hosts seal with that
 * which the switch seals with, so who has the new one first is no matter. */
#define SEAL_MAX_KEYS 2
struct keyring {
    struct seal_key keys[SEAL_MAX_KEYS];
    unsigned int n;             /* 1..SEAL_MAX_KEYS. */
};

/* Reads a keyring from 'file_name': one or two lines of 32 hexadecimal digits
 * (MIGRATE_KEY_LEN bytes), the current key first; empty lines and lines that
 * start with '#' are skipped.  Refuses a file that others than its owner may
 * read or write.  Returns NULL, or an error message that names the file and
 * the remedy and that the caller frees. */
char *keyring_read(const char *file_name, struct keyring *);

/* Reads a keyring from 'text': one or two keys of 32 hexadecimal digits, the
 * current one first, with a comma between them.  Returns false, and leaves the
 * keyring alone, if 'text' is anything else. */
bool keyring_parse(const char *text, struct keyring *);

/* Makes 'key' from MIGRATE_KEY_LEN bytes. */
void seal_key_init(struct seal_key *, const __u8 bytes[MIGRATE_KEY_LEN]);

/* The key with 'id', or the current one if there is none: what an answer to a
 * message under it is to be sealed with. */
const struct seal_key *keyring_key(const struct keyring *, __u8 id);

/* Seals 'message' (length from its header, a multiple of 8, whose other
 * fields are final) for its way from 'src' to 'dst': writes 'key_id' and
 * 'mac'. */
void seal(const struct seal_key *, const struct migrate_address *src,
          const struct migrate_address *dst, struct migrate_header *message);

/* Whether the 'size' bytes at 'message' are one whole sealed message of this
 * version from 'src' to 'dst': length, version and seal are right. */
bool seal_check(const struct keyring *, const struct migrate_address *src,
                const struct migrate_address *dst,
                const void *message, size_t size);

#endif /* seal.h */
