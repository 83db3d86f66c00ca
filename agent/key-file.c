/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "key-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/seal.h"
#include "log.h"
#include "util.h"

#define TEXT_MAX 128            /* Bytes: two lines. */

/* Writes the lines of 'keys' into 'text'. */
static bool
format_keys(const json_t *keys, char text[TEXT_MAX])
{
    const json_t *key;
    size_t i, n = 0;

    if (!json_array_size(keys) || json_array_size(keys) > SEAL_MAX_KEYS) {
        return false;
    }
    text[0] = '\0';
    json_array_foreach(keys, i, key) {
        const char *digits = json_string_value(key);

        if (!digits || strlen(digits) != 2 * MIGRATE_KEY_LEN
            || strspn(digits, "0123456789abcdefABCDEF") != strlen(digits)) {
            return false;
        }
        n += snprintf(text + n, TEXT_MAX - n, "%s\n", digits);
    }
    return true;
}

static bool
has(const char *name, const char *text)
{
    char found[TEXT_MAX + 1] = "";
    FILE *stream = fopen(name, "re");
    size_t n;

    if (!stream) {
        return false;
    }
    n = fread(found, 1, TEXT_MAX, stream);
    fclose(stream);
    return n == strlen(text) && !memcmp(found, text, n);
}

/* Returns 0 or a positive errno. */
static int
replace(const char *name, const char *text)
{
    char temporary[PATH_MAX];
    int fd, error = 0;

    if (snprintf(temporary, sizeof temporary, "%s.new", name)
        >= (int) sizeof temporary) {
        return ENAMETOOLONG;
    }
    unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    errno = ENOSPC;
    if (write(fd, text, strlen(text)) != (ssize_t) strlen(text)
        || fsync(fd)) {
        error = errno;
    }
    close(fd);
    if (!error && rename(temporary, name)) {
        error = errno;
    }
    if (error) {
        unlink(temporary);
    }
    return error;
}

bool
key_file_put(const char *name, const json_t *keys, bool *changed)
{
    static int complaint;
    char text[TEXT_MAX];
    int error;

    *changed = false;
    if (!format_keys(keys, text)) {
        log_warn("the controller's answer has no good keys");
        return false;
    } else if (has(name, text)) {
        return true;
    }
    error = replace(name, text);
    if (error && error != complaint) {
        log_error("%s: cannot write: %s", name, strerror(error));
    }
    complaint = error;
    *changed = !error;
    return !error;
}
