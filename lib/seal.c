/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "seal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "xalloc.h"

static __u64
get_word(const void *p)
{
    __u64 word;

    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

static void
hash_bytes(struct siphash *h, const void *p, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        siphash_word(h, get_word((const char *) p + i));
    }
}

void
seal_key_init(struct seal_key *key, const __u8 bytes[MIGRATE_KEY_LEN])
{
    struct siphash h;

    key->key.k[0] = get_word(bytes);
    key->key.k[1] = get_word(bytes + 8);
    siphash_init(&h, &key->key);
    key->id = siphash_final(&h) & 0xff;
}

/* The seal of the 'size' bytes at 'message'. */
static __u64
seal_compute(const struct seal_key *key, const struct migrate_address *src,
             const struct migrate_address *dst, const void *message,
             size_t size)
{
    struct siphash h;

    siphash_init(&h, &key->key);
    hash_bytes(&h, src, sizeof *src);
    hash_bytes(&h, dst, sizeof *dst);
    hash_bytes(&h, message, offsetof(struct migrate_header, mac));
    hash_bytes(&h, (const char *) message + sizeof(struct migrate_header),
               size - sizeof(struct migrate_header));
    return htole64(siphash_final(&h));
}

const struct seal_key *
keyring_key(const struct keyring *ring, __u8 id)
{
    for (unsigned int i = 0; i < ring->n; i++) {
        if (ring->keys[i].id == id) {
            return &ring->keys[i];
        }
    }
    return &ring->keys[0];
}

void
seal(const struct seal_key *key, const struct migrate_address *src,
     const struct migrate_address *dst, struct migrate_header *message)
{
    message->key_id = key->id;
    message->mac = seal_compute(key, src, dst, message,
                                ntohs(message->length));
}

bool
seal_check(const struct keyring *ring, const struct migrate_address *src,
           const struct migrate_address *dst, const void *message,
           size_t size)
{
    struct migrate_header header;

    if (size < sizeof header || size % 8) {
        return false;
    }
    memcpy(&header, message, sizeof header);
    if (header.version != MIGRATE_VERSION || ntohs(header.length) != size) {
        return false;
    }
    for (unsigned int i = 0; i < ring->n; i++) {
        const struct seal_key *key = &ring->keys[i];

        if (key->id == header.key_id
            && header.mac == seal_compute(key, src, dst, message, size)) {
            return true;
        }
    }
    return false;
}

/* Parses the key on 'line', which is followed only by white space. */
static bool
parse_key(const char *line, struct seal_key *key)
{
    __u8 bytes[MIGRATE_KEY_LEN];

    for (size_t i = 0; i < 2 * sizeof bytes; i++) {
        char digit[2] = { line[i], '\0' };

        if (!isxdigit((unsigned char) line[i])) {
            return false;
        }
        bytes[i / 2] = bytes[i / 2] << 4 | strtoul(digit, NULL, 16);
    }
    if (line[2 * sizeof bytes + strspn(line + 2 * sizeof bytes, " \t\r\n")]) {
        return false;
    }
    seal_key_init(key, bytes);
    return true;
}

char *
keyring_read(const char *file_name, struct keyring *ring)
{
    struct keyring new = { .n = 0 };
    char *problem = NULL;
    unsigned int line_number = 0;
    char line[256];
    struct stat st;
    FILE *file;

    file = fopen(file_name, "r");
    if (!file || fstat(fileno(file), &st)) {
        problem = xasprintf("%s: cannot read key file: %s", file_name,
                            strerror(errno));
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        problem = xasprintf("%s: key file is open to others (mode %04o); run "
                            "\"chmod 600 %s\"", file_name,
                            (unsigned int) st.st_mode & 07777, file_name);
    }
    while (!problem && fgets(line, sizeof line, file)) {
        const char *start = line + strspn(line, " \t\r\n");

        line_number++;
        if (*start == '\0' || *start == '#') {
            continue;
        } else if (new.n >= SEAL_MAX_KEYS) {
            problem = xasprintf("%s:%u: more than %d keys; keep the current "
                                "one and the previous one", file_name,
                                line_number, SEAL_MAX_KEYS);
        } else if (!parse_key(start, &new.keys[new.n])) {
            problem = xasprintf("%s:%u: a key is %d hexadecimal digits; make "
                                "one with \"openssl rand -hex %d\"", file_name,
                                line_number, 2 * MIGRATE_KEY_LEN,
                                MIGRATE_KEY_LEN);
        } else {
            new.n++;
        }
    }
    if (!problem && !new.n) {
        problem = xasprintf("%s: no key in it; make one with \"openssl rand "
                            "-hex %d > %s\"", file_name, MIGRATE_KEY_LEN,
                            file_name);
    }
    if (file) {
        fclose(file);
    }
    if (!problem) {
        *ring = new;
    }
    return problem;
}

bool
keyring_parse(const char *text, struct keyring *ring)
{
    char copy[SEAL_MAX_KEYS * (2 * MIGRATE_KEY_LEN + 1) + 1];
    struct keyring new = { .n = 0 };
    char *save_ptr = NULL;

    if (strlen(text) >= sizeof copy) {
        return false;
    }
    strcpy(copy, text);
    for (char *s = strtok_r(copy, ",", &save_ptr); s;
         s = strtok_r(NULL, ",", &save_ptr)) {
        if (new.n >= SEAL_MAX_KEYS || !parse_key(s, &new.keys[new.n++])) {
            return false;
        }
    }
    if (!new.n) {
        return false;
    }
    *ring = new;
    return true;
}
