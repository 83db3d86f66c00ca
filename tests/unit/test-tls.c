/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "reading.h"

/* What real clients send is in the directory "tls": see reading.h.  The rest
 * is made here. */

#define BODY_MIN 41             /* Bytes of a hello without extensions. */

/* Begins a vector with its length in 'width' bytes; end() takes what this
 * returns. */
static size_t
begin(struct bytes *b, size_t width)
{
    put_int(b, 0, width);
    return b->n;
}

static void
end(struct bytes *b, size_t start, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        b->p[start - 1 - i] = (b->n - start) >> 8 * i;
    }
}

/* Appends an extension with 'n' bytes of data. */
static void
put_extension(struct bytes *b, unsigned int type, const void *data, size_t n)
{
    put_int(b, type, 2);
    put_int(b, n, 2);
    put(b, data, n);
}

static void
put_zeros(struct bytes *b, unsigned int type, size_t n)
{
    static const uint8_t zeros[TLS_MAX_HELLO];

    put_extension(b, type, zeros, n);
}

static void
put_sni(struct bytes *b, const char *name)
{
    size_t extension, list, host;

    put_int(b, 0, 2);
    extension = begin(b, 2);
    list = begin(b, 2);
    put_int(b, 0, 1);
    host = begin(b, 2);
    put(b, name, strlen(name));
    end(b, host, 2);
    end(b, list, 2);
    end(b, extension, 2);
}

/* Appends the ALPN extension for 'names', with spaces between them. */
static void
put_alpn(struct bytes *b, const char *names)
{
    size_t extension, list;

    put_int(b, 16, 2);
    extension = begin(b, 2);
    list = begin(b, 2);
    while (*names) {
        size_t len = strcspn(names, " ");

        put_int(b, len, 1);
        put(b, names, len);
        names += len + (names[len] == ' ');
    }
    end(b, list, 2);
    end(b, extension, 2);
}

/* Begins a ClientHello, up to its extensions. */
static void
begin_hello(struct bytes *b, unsigned int version)
{
    b->n = 0;
    put_int(b, 1, 1);
    put_int(b, 0, 3);
    put_int(b, version, 2);
    for (int i = 0; i < 32; i++) {
        put_int(b, i, 1);       /* The random bytes. */
    }
    put_int(b, 0, 1);           /* The session... */
    put_int(b, 2, 2);           /* ...cipher suites... */
    put_int(b, 0x1301, 2);
    put_int(b, 0x0100, 2);      /* ...and compression methods. */
    begin(b, 2);
}

/* Ends a ClientHello: sets the lengths of the extensions and the whole. */
static void
end_hello(struct bytes *b)
{
    end(b, 4 + BODY_MIN + 2, 2);
    end(b, 4, 3);
}

/* Puts 'hello' into records of at most 'max' bytes. */
static void
make_records(const struct bytes *hello, size_t max, struct bytes *records)
{
    records->n = 0;
    for (size_t at = 0; at < hello->n; at += max) {
        size_t n = hello->n - at < max ? hello->n - at : max;

        put_int(records, 22, 1);
        put_int(records, 0x0301, 2);
        put_int(records, n, 2);
        put(records, hello->p + at, n);
    }
}

/* Checks that 'hello' means 'expected', in records of at most 'max' bytes. */
static void
check(const char *name, const struct bytes *hello, size_t max,
      const char *expected)
{
    static struct bytes records;

    make_records(hello, max, &records);
    reading_check(PROTOCOL_TLS, name, records.p, records.n, expected);
}

static void
test_clients(void)
{
    reading_cases(PROTOCOL_TLS, "tls", 6);
}

static void
test_names(void)
{
    static struct bytes b;

    begin_hello(&b, 0x0303);
    put_sni(&b, "Www.Example.com.");
    end_hello(&b);
    check("SNI", &b, 16384, "complete\nsni: Www.Example.com\n");

    begin_hello(&b, 0x0301);
    put_alpn(&b, "h2 http/1.1 x");
    put_sni(&b, "a");
    end_hello(&b);
    check("SNI and ALPN", &b, 16384,
          "complete\nsni: a\nalpn: h2\nalpn: http/1.1\nalpn: x\n");

    begin_hello(&b, 0x0303);
    put_zeros(&b, 0x0a0a, 0);   /* GREASE, RFC 8701. */
    put_zeros(&b, 0xfe0d, 200); /* Encrypted ClientHello: the outer counts. */
    put_sni(&b, "public.example");
    put_zeros(&b, 0xfafa, 1);
    end_hello(&b);
    check("GREASE and ECH", &b, 16384, "complete\nsni: public.example\n");

    begin_hello(&b, 0x0303);
    end_hello(&b);
    check("empty extensions", &b, 16384, "complete\nsni: \n");
    b.n -= 2;
    b.p[3] -= 2;
    check("no extensions", &b, 16384, "complete\nsni: \n");
}

/* A hello in records of any length, such as those that post-quantum key
 * shares make of it: two segments at least. */
static void
test_fragments(void)
{
    static struct bytes b;
    static const size_t maxima[] = { 1, 2, 3, 4, 5, 47, 500, 1000, 16384 };

    begin_hello(&b, 0x0303);
    put_zeros(&b, 51, 2 + 4 + 1216 + 4 + 32);   /* X25519MLKEM768, X25519. */
    put_zeros(&b, 13, 300);
    put_sni(&b, "pq.example");
    put_alpn(&b, "h2");
    end_hello(&b);
    CU_ASSERT(b.n > 1500);
    for (size_t i = 0; i < sizeof maxima / sizeof *maxima; i++) {
        check("fragments", &b, maxima[i],
              "complete\nsni: pq.example\nalpn: h2\n");
    }
}

static void
test_limits(void)
{
    static struct bytes b, records;

    begin_hello(&b, 0x0303);
    put_sni(&b, "a");
    put_zeros(&b, 21, TLS_MAX_HELLO - b.n - 4);     /* Padding, RFC 7685. */
    end_hello(&b);
    CHECK_INT(b.n, TLS_MAX_HELLO);
    check("16 KiB", &b, 16384, "complete\nsni: a\n");
    check("16 KiB in two records", &b, 16383, "complete\nsni: a\n");
    check("16 KiB in records of 6 bytes", &b, 6, "complete\nsni: a\n");
    check("16 KiB in records of 4 bytes", &b, 4, "too large\n");

    /* Its length alone tells. */
    put_int(&b, 0, 1);
    end(&b, 4, 3);
    make_records(&b, 16384, &records);
    CHECK_INT(reading_result(PROTOCOL_TLS, records.p, 8), READ_PARTIAL);
    CHECK_INT(reading_result(PROTOCOL_TLS, records.p, 9), READ_TOO_LARGE);
    check("a byte more", &b, 16384, "too large\n");
}

/* What follows the hello, in its record or others, is the server's. */
static void
test_behind(void)
{
    static struct bytes b, records;

    begin_hello(&b, 0x0303);
    put_sni(&b, "a");
    end_hello(&b);
    make_records(&b, 16384, &records);
    put(&records, "\x14\x03\x03\0\1\1\x17\x03\x03\0\2xx", 13);
    reading_check(PROTOCOL_TLS, "early data", records.p, records.n,
                  "complete\nsni: a\n");
    put(&b, "\x99\0\0\0", 4);
    check("another message", &b, 16384, "complete\nsni: a\n");
}

/* A hello with one extension, of 'type', whose data is the string 'data' as
 * hexadecimal digits. */
static void
make_extension(struct bytes *b, unsigned int type, const char *hex)
{
    uint8_t data[300];
    size_t n = 0;

    while (hex[2 * n]) {
        char digits[] = { hex[2 * n], hex[2 * n + 1], '\0' };

        data[n++] = strtoul(digits, NULL, 16);
    }
    begin_hello(b, 0x0303);
    put_extension(b, type, data, n);
    end_hello(b);
}

static void
test_bad_extensions(void)
{
    static const struct {
        unsigned int type;
        const char *data;
        const char *expected;
    } cases[] = {
        { 0, "000400000161", "complete\nsni: a\n" },
        { 0, "", "invalid\n" },
        { 0, "00", "invalid\n" },
        { 0, "0000", "invalid\n" },             /* No name. */
        { 0, "0003000000", "invalid\n" },       /* An empty one. */
        { 0, "000401000161", "invalid\n" },     /* Not a host's. */
        { 0, "000400000261", "invalid\n" },     /* Longer than the list. */
        { 0, "000500000161", "invalid\n" },
        { 0, "000300000161", "invalid\n" },
        { 0, "00040000016100", "invalid\n" },   /* Bytes behind. */
        { 0, "00050000016100", "invalid\n" },
        { 0, "000800000161" "00000162", "invalid\n" },  /* Two names. */
        { 0, "0006000003610061", "invalid\n" }, /* A null byte. */
        { 16, "00020161", "complete\nsni: \nalpn: a\n" },
        { 16, "", "invalid\n" },
        { 16, "0000", "invalid\n" },
        { 16, "000100", "invalid\n" },          /* An empty name. */
        { 16, "0003016100", "invalid\n" },
        { 16, "00020261", "invalid\n" },        /* Longer than the list. */
        { 16, "00030161", "invalid\n" },
        { 16, "0002016100", "invalid\n" },      /* Bytes behind. */
    };
    static struct bytes b;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_extension(&b, cases[i].type, cases[i].data);
        check(cases[i].data, &b, 16384, cases[i].expected);
        check(cases[i].data, &b, 1, cases[i].expected);
    }

    begin_hello(&b, 0x0303);
    put_sni(&b, "a");
    put_sni(&b, "b");
    end_hello(&b);
    check("two SNI", &b, 16384, "invalid\n");
    begin_hello(&b, 0x0303);
    put_zeros(&b, 65535, 3);
    put_zeros(&b, 65534, 3);
    put_zeros(&b, 65535, 4);
    end_hello(&b);
    check("two unknown ones", &b, 16384, "invalid\n");
}

/* A hello whose byte 'at', from its header on, is 'value'. */
static void
check_changed(const char *name, size_t at, uint8_t value,
              const char *expected)
{
    static struct bytes b;

    begin_hello(&b, 0x0303);
    put_sni(&b, "a");
    end_hello(&b);
    b.p[at] = value;
    check(name, &b, 16384, expected);
}

static void
test_bad_hello(void)
{
    static struct bytes b;
    size_t suites = 4 + 2 + 32 + 1;

    check_changed("as it is", 5, 3, "complete\nsni: a\n");
    check_changed("version 2", 4, 2, "invalid\n");
    check_changed("version 4", 4, 4, "invalid\n");
    check_changed("session longer than all", suites - 1, 200, "invalid\n");
    check_changed("no cipher suite", suites + 1, 0, "invalid\n");
    check_changed("half a cipher suite", suites + 1, 1, "invalid\n");
    check_changed("no compression", suites + 4, 0, "invalid\n");
    check_changed("extensions too short", 4 + BODY_MIN + 1, 9, "invalid\n");
    check_changed("extensions too long", 4 + BODY_MIN + 1, 11, "invalid\n");
    check_changed("too short", 3, 5, "invalid\n");

    begin_hello(&b, 0x0303);
    b.p[4 + 2 + 32] = 33;       /* What follows looks like a longer session. */
    put_zeros(&b, 0x0002, 40);
    end_hello(&b);
    check("session of 33 bytes", &b, 16384, "invalid\n");
}

static void
test_not_tls(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *expected;
    } cases[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18, "invalid\n" },
        { "\x80\x2e\x01\0\2\0\x15\0\0\0\x10", 11, "invalid\n" },   /* SSL 2. */
        { "\x15\x03\x01\0\2\2\x32", 7, "invalid\n" },   /* An alert. */
        { "\x16\x02", 2, "invalid\n" },
        { "\x16\x03\x01\0\0", 5, "invalid\n" },         /* Empty record. */
        { "\x16\x03\x01\x40\x01", 5, "invalid\n" },     /* Too long a one. */
        { "\x16\x03\x01\x40\0", 5, "partial\n" },
        { "\x16\x03\x01\0\1\2", 6, "invalid\n" },       /* ServerHello. */
        { "\x16\x03\x01\0\1\1\x14", 7, "invalid\n" },   /* Cut by another. */
        { "\x16\x03\x01\0\1\1\x16\x03\x03\0\1\0", 12, "partial\n" },
        { "\x16\x03\x01\0\4\1\1\0\0", 9, "too large\n" },
        { "\x16\x03\x01\0\4\1\0\0\0", 9, "invalid\n" }, /* Nothing in it. */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reading_check(PROTOCOL_TLS, cases[i].bytes, cases[i].bytes,
                      cases[i].n, cases[i].expected);
    }
}

static void
check_alert(const char *bytes, size_t n, const char *expected)
{
    uint8_t alert[TLS_ALERT_LEN];

    tls_alert(bytes, n, alert);
    CU_ASSERT(!memcmp(alert, expected, sizeof alert));
}

static void
test_alert(void)
{
    check_alert("\x16\x03\x01\0\1\1", 6, "\x15\x03\x01\0\2\2\x32");
    check_alert("\x16\x02", 2, "\x15\x03\x01\0\2\2\x32");
    check_alert("GET", 3, "\x15\x03\x01\0\2\2\x0a");
    check_alert("\x16\x03\x01\0\1\2", 6, "\x15\x03\x01\0\2\2\x0a");
    check_alert("", 0, "\x15\x03\x01\0\2\2\x0a");
}

/* Noise neither crashes nor depends on how it is cut. */
static void
test_noise(void)
{
    static struct bytes b, records;

    for (int round = 0; round < 20000; round++) {
        char *whole, *cut;

        begin_hello(&b, 0x0303);
        put_zeros(&b, 0x0a0a, unit_random() % 20);
        put_sni(&b, "example.com");
        put_alpn(&b, "h2 http/1.1");
        end_hello(&b);
        for (int i = unit_random() % 4; i > 0; i--) {
            b.p[unit_random() % b.n] += unit_random() % 2 ? 1 : -1;
        }
        make_records(&b, 1 + unit_random() % 150, &records);
        if (unit_random() % 2) {
            records.p[unit_random() % records.n] = unit_random() % 40;
        }
        whole = reading_describe(PROTOCOL_TLS, records.p, records.n, 0, 0);
        cut = reading_describe(PROTOCOL_TLS, records.p, records.n,
                               unit_random() % records.n,
                               1 + unit_random() % 20);
        CHECK_STR(cut, whole);
        free(whole);
        free(cut);
    }
}

static const struct unit_test tests[] = {
    { "real clients", test_clients },
    { "names", test_names },
    { "hello in many records", test_fragments },
    { "limits", test_limits },
    { "what follows is left alone", test_behind },
    { "bad extensions", test_bad_extensions },
    { "bad hellos", test_bad_hello },
    { "not TLS", test_not_tls },
    { "alert", test_alert },
    { "noise", test_noise },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "tls", tests };
