/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "seal.h"

#include <ctype.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

/* The input is a key file, and the value of other_config:migrate-key.  Keys
 * that are read must be written there as plainer code finds them. */

static int fd = -1;
static char file_name[32];

static void
init(void)
{
    fd = memfd_create("keys", 0);
    FUZZ_CHECK(fd >= 0 && !fchmod(fd, 0600));
    snprintf(file_name, sizeof file_name, "/proc/self/fd/%d", fd);
}

/* Whether 'key' is the 32 hexadecimal digits at 's'. */
static bool
is_key(const struct seal_key *key, const char *s)
{
    __u8 bytes[MIGRATE_KEY_LEN];
    struct seal_key other;

    for (size_t i = 0; i < sizeof bytes; i++) {
        unsigned int byte;

        FUZZ_CHECK(sscanf(s + 2 * i, "%2x", &byte) == 1);
        bytes[i] = byte;
    }
    seal_key_init(&other, bytes);
    return !memcmp(&other.key, &key->key, sizeof other.key)
           && other.id == key->id;
}

/* Whether somewhere in 'text' there are 32 hexadecimal digits in a row that
 * are 'key'. */
static bool
has_key(const char *text, size_t size, const struct seal_key *key)
{
    size_t run = 0;

    for (size_t i = 0; i < size; i++) {
        run = isxdigit((unsigned char) text[i]) ? run + 1 : 0;
        if (run >= 2 * MIGRATE_KEY_LEN
            && is_key(key, text + i + 1 - 2 * MIGRATE_KEY_LEN)) {
            return true;
        }
    }
    return false;
}

static void
check_ring(const struct keyring *ring, const char *text, size_t size)
{
    FUZZ_CHECK(ring->n >= 1 && ring->n <= SEAL_MAX_KEYS);
    for (unsigned int i = 0; i < ring->n; i++) {
        FUZZ_CHECK(has_key(text, size, &ring->keys[i]));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyring ring = { .n = 0 };
    char *text, *error;

    if (fd < 0) {
        init();
    }
    text = calloc(1, size + 1);
    memcpy(text, data, size);
    FUZZ_CHECK(!ftruncate(fd, 0)
               && pwrite(fd, text, size, 0) == (ssize_t) size);
    error = keyring_read(file_name, &ring);
    if (!error) {
        check_ring(&ring, text, size);
    } else {
        FUZZ_CHECK(!ring.n && !strncmp(error, file_name, strlen(file_name)));
    }
    free(error);

    ring.n = 0;
    if (keyring_parse(text, &ring)) {
        check_ring(&ring, text, strlen(text));
    } else {
        FUZZ_CHECK(!ring.n);
    }
    free(text);
    return 0;
}
