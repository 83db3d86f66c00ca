/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reading.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "xalloc.h"

#define INPUT_MAX 65536

/* Where the input of one reader_feed() is: two, so that it moves between
 * feeds. */
static struct guard guards[2];

static void
print_bytes(FILE *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] >= ' ' && s[i] <= '~' && s[i] != '\\') {
            putc(s[i], out);
        } else {
            fprintf(out, "\\x%02x", (unsigned char) s[i]);
        }
    }
}

static void
print_field(FILE *out, const char *name, const struct request_field *field)
{
    fprintf(out, "%s: ", name);
    print_bytes(out, field->s, field->len);
    putc('\n', out);
}

static void
print_http(FILE *out, const struct request *r)
{
    print_field(out, "method", &r->method);
    print_field(out, "host", &r->host);
    print_field(out, "path", &r->path);
    for (size_t i = 0; i < r->n_headers; i++) {
        fprintf(out, "header ");
        print_bytes(out, r->buffer + r->headers[i].name.ofs,
                    r->headers[i].name.len);
        fprintf(out, "=");
        print_bytes(out, r->buffer + r->headers[i].value.ofs,
                    r->headers[i].value.len);
        fprintf(out, "\n");
    }
}

static void
print_tls(FILE *out, const struct request *r)
{
    print_field(out, "sni", &r->sni);
    for (size_t i = 0; i < r->alpn.len; i += 1 + (uint8_t) r->alpn.s[i]) {
        struct request_field name = { r->alpn.s + i + 1,
                                      (uint8_t) r->alpn.s[i] };

        print_field(out, "alpn", &name);
    }
}

/* All there is to tell of 'reader', of a service of 'protocol', which said
 * 'result', as text that the caller frees. */
static char *
describe(enum service_protocol protocol, const struct reader *reader,
         enum read_result result, const struct request *request)
{
    static const char *const names[] = {
        [READ_PARTIAL] = "partial",
        [READ_COMPLETE] = "complete",
        [READ_INVALID] = "invalid",
        [READ_TOO_LARGE] = "too large",
    };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fprintf(out, "%s\n", names[result]);
    if (protocol == PROTOCOL_AUTO && reader->known) {
        fprintf(out, "known: %s\n", protocol_name(reader->protocol));
    }
    if (result == READ_COMPLETE && reader->protocol == PROTOCOL_TLS) {
        print_tls(out, request);
    } else if (result == READ_COMPLETE && request->method.len) {
        print_http(out, request);
    }
    fclose(out);
    return text;
}

char *
reading_describe(enum service_protocol protocol, const void *input,
                 size_t len, size_t first, size_t step)
{
    struct reader *reader = xcalloc(1, sizeof *reader);
    struct request *request = xcalloc(1, sizeof *request);
    enum read_result result;
    unsigned int turn = 0;
    size_t n = first ? first : step;
    size_t to = 0;
    char *text;

    if (!guards[0].size) {
        guard_init(&guards[0], INPUT_MAX);
        guard_init(&guards[1], INPUT_MAX);
    }
    /* reader_init() leaves garbage as it is. */
    memset(reader, 0xa5, sizeof *reader);
    memset(request, 0xa5, sizeof *request);
    reader_init(reader, protocol);
    do {
        to = n && n < len - to ? to + n : len;
        n = step;
        result = reader_feed(reader, guard_copy(&guards[turn++ % 2], input,
                                                to), to, request);
    } while (result == READ_PARTIAL && to < len);
    text = describe(protocol, reader, result, request);
    free(request);
    free(reader);
    return text;
}

/* Checks that the 'len' bytes at 'input', cut as for reading_describe(), mean
 * 'expected'. */
static bool
check_cut(enum service_protocol protocol, const char *name, const void *input,
          size_t len, size_t first, size_t step, const char *expected)
{
    char *text = reading_describe(protocol, input, len, first, step);
    bool ok = !strcmp(text, expected);

    if (!ok) {
        char *what = xasprintf("%s (first segment %zu bytes, others %zu; "
                               "0: all)", name, first, step);

        unit_check_str(text, expected, what, __FILE__, __LINE__);
        free(what);
    }
    free(text);
    return ok;
}

void
reading_check(enum service_protocol protocol, const char *name,
              const void *input, size_t len, const char *expected)
{
    size_t stride = len > 4096 ? len / 512 : 1;
    bool ok = true;

    for (size_t first = 0; ok && first < len; first += stride) {
        ok = check_cut(protocol, name, input, len, first, 0, expected);
    }
    for (size_t step = stride; ok && step < stride + 4; step++) {
        ok = check_cut(protocol, name, input, len, 0, step, expected);
    }
    CU_ASSERT(ok);
}

enum read_result
reading_result(enum service_protocol protocol, const void *input, size_t len)
{
    struct reader reader;
    struct request request;

    reader_init(&reader, protocol);
    return reader_feed(&reader, input, len, &request);
}

/* Reads the file at 'path' into a string that the caller frees, and sets
 * '*len' to its length.  Returns NULL if there is none. */
static char *
read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *data;

    if (!file) {
        return NULL;
    }
    data = xcalloc(1, INPUT_MAX + 1);
    *len = fread(data, 1, INPUT_MAX, file);
    data[*len] = '\0';
    fclose(file);
    return data;
}

static void
write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "wb");

    if (!file || fputs(content, file) < 0 || fclose(file)) {
        abort();
    }
}

/* Runs the case whose input is 'dir'/'file_name'. */
static void
run_case(enum service_protocol protocol, const char *dir,
         const char *file_name)
{
    int stem = strlen(file_name) - strlen(".req");
    char *req = xasprintf("%s/%s", dir, file_name);
    char *out = xasprintf("%s/%.*s.out", dir, stem, file_name);
    char *input, *expected;
    size_t len, out_len;

    input = read_file(req, &len);
    CU_ASSERT_FATAL(input != NULL);
    if (getenv("UNIT_UPDATE")) {
        char *text = reading_describe(protocol, input, len, 0, 0);

        write_file(out, text);
        free(text);
    }
    expected = read_file(out, &out_len);
    unit_check_str(expected ? "there" : NULL, "there", out,
                   __FILE__, __LINE__);
    if (expected) {
        reading_check(protocol, file_name, input, len, expected);
    }
    free(expected);
    free(input);
    free(out);
    free(req);
}

void
reading_cases(enum service_protocol protocol, const char *name,
              unsigned int at_least)
{
    char *dir_name = unit_source_path(name);
    DIR *dir = opendir(dir_name);
    const struct dirent *entry;
    unsigned int n = 0;

    CU_ASSERT_FATAL(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot && !strcmp(dot, ".req")) {
            run_case(protocol, dir_name, entry->d_name);
            n++;
        }
    }
    closedir(dir);
    CU_ASSERT(n >= at_least);   /* The directory is really there. */
    free(dir_name);
}
