/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tls.h"

#define RECORD_HEADER_LEN 5     /* RFC 8446 5.1. */
#define MAX_RECORD 16384
#define CONTENT_ALERT 21
#define CONTENT_HANDSHAKE TLS_FIRST_BYTE

#define CLIENT_HELLO 1          /* RFC 8446 4. */
#define EXT_SERVER_NAME 0       /* RFC 6066 3. */
#define EXT_ALPN 16             /* RFC 7301 3.1. */

#define ALERT_FATAL 2           /* RFC 8446 6. */
#define ALERT_UNEXPECTED_MESSAGE 10
#define ALERT_DECODE_ERROR 50

/* What is left of some bytes. */
struct bytes {
    const uint8_t *p;
    size_t n;
};

static unsigned int
get_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

/* Takes the next 'n' bytes of 'from' into 'part'.  Returns false if there are
 * not so many. */
static bool
take(struct bytes *from, size_t n, struct bytes *part)
{
    if (from->n < n) {
        return false;
    }
    part->p = from->p;
    part->n = n;
    from->p += n;
    from->n -= n;
    return true;
}

/* Takes a vector (RFC 8446 3.4) whose length is in 'width' bytes, 1 or 2. */
static bool
take_vector(struct bytes *from, size_t width, struct bytes *vector)
{
    struct bytes len;

    return (take(from, width, &len)
            && take(from, width == 1 ? len.p[0] : get_u16(len.p), vector));
}

/* Reads the data of extension "server_name".  There is no way to skip a name
 * of a type that is not known, so there is none but a host's. */
static bool
read_server_name(struct bytes data, struct request *request)
{
    struct bytes list, type, name;

    if (!take_vector(&data, 2, &list) || data.n
        || !take(&list, 1, &type) || type.p[0] != 0
        || !take_vector(&list, 2, &name) || list.n
        || !name.n || name.n > 255 || memchr(name.p, '\0', name.n)) {
        return false;
    }
    if (name.n > 1 && name.p[name.n - 1] == '.') {
        name.n--;               /* As http_authority_host() does. */
    }
    request->sni.s = (const char *) name.p;
    request->sni.len = name.n;
    return true;
}

static bool
read_alpn(struct bytes data, struct request *request)
{
    struct bytes list, name, all;

    if (!take_vector(&data, 2, &list) || data.n || !list.n) {
        return false;
    }
    all = list;
    while (list.n) {
        if (!take_vector(&list, 1, &name) || !name.n) {
            return false;
        }
    }
    request->alpn.s = (const char *) all.p;
    request->alpn.len = all.n;
    return true;
}

static bool
read_extensions(struct bytes extensions, struct request *request)
{
    uint64_t seen[65536 / 64] = { 0 };
    struct bytes type_bytes, data;

    while (extensions.n) {
        unsigned int type;

        if (!take(&extensions, 2, &type_bytes)
            || !take_vector(&extensions, 2, &data)) {
            return false;
        }
        type = get_u16(type_bytes.p);
        if (seen[type / 64] & 1ULL << type % 64
            || (type == EXT_SERVER_NAME && !read_server_name(data, request))
            || (type == EXT_ALPN && !read_alpn(data, request))) {
            return false;
        }
        seen[type / 64] |= 1ULL << type % 64;
    }
    return true;
}

/* Reads the body of a ClientHello. */
static bool
read_hello(struct bytes hello, struct request *request)
{
    struct bytes version, random, session, suites, compression, extensions;

    if (!take(&hello, 2, &version) || version.p[0] != 3
        || !take(&hello, 32, &random)
        || !take_vector(&hello, 1, &session) || session.n > 32
        || !take_vector(&hello, 2, &suites) || !suites.n || suites.n % 2
        || !take_vector(&hello, 1, &compression) || !compression.n) {
        return false;
    }
    /* Before TLS 1.3, a client may do without extensions. */
    return (!hello.n
            || (take_vector(&hello, 2, &extensions) && !hello.n
                && read_extensions(extensions, request)));
}

/* Copies the 'n' bytes of hello that are in the records at 'data' to 'buf'. */
static void
defragment(const uint8_t *data, size_t n, char *buf)
{
    while (n) {
        size_t len = get_u16(data + 3);
        size_t part = len < n ? len : n;

        memcpy(buf, data + RECORD_HEADER_LEN, part);
        buf += part;
        n -= part;
        data += RECORD_HEADER_LEN + len;
    }
}

/* Judges the header of a record, of which 'n' bytes came. */
static enum read_result
check_record(const uint8_t *record, size_t n)
{
    if ((n > 0 && record[0] != CONTENT_HANDSHAKE)
        || (n > 1 && record[1] != 3)) {
        return READ_INVALID;
    } else if (n < RECORD_HEADER_LEN) {
        return READ_PARTIAL;
    }
    return (!get_u16(record + 3) || get_u16(record + 3) > MAX_RECORD
            ? READ_INVALID : READ_COMPLETE);
}

/* Judges the header of the hello, of which 'n' bytes are in 'p'.  Sets '*len'
 * to the length of the hello, header included. */
static enum read_result
check_header(struct tls_parser *p, size_t n, size_t *len)
{
    if (n > 0 && p->header[0] != CLIENT_HELLO) {
        return READ_INVALID;
    }
    p->known = n > 0;
    if (n < sizeof p->header) {
        return READ_PARTIAL;
    }
    *len = sizeof p->header + (p->header[1] << 16 | get_u16(p->header + 2));
    return *len > TLS_MAX_HELLO ? READ_TOO_LARGE : READ_COMPLETE;
}

void
tls_init(struct tls_parser *p)
{
    p->known = false;
    p->at = p->got = 0;
}

enum read_result
tls_feed(struct tls_parser *p, const char *buffer, size_t len,
         struct request *request)
{
    size_t end = len < TLS_MAX_BYTES ? len : TLS_MAX_BYTES;

    for (;;) {
        const uint8_t *record = (const uint8_t *) buffer + p->at;
        enum read_result result = check_record(record, end - p->at);
        size_t record_len, n, hello_len;

        if (result == READ_INVALID) {
            return result;
        } else if (result == READ_PARTIAL) {
            break;
        }
        record_len = get_u16(record + 3);
        n = end - p->at - RECORD_HEADER_LEN;
        n = n < record_len ? n : record_len;
        for (size_t i = 0; i < n && p->got + i < sizeof p->header; i++) {
            p->header[p->got + i] = record[RECORD_HEADER_LEN + i];
        }
        result = check_header(p, p->got + n, &hello_len);
        if (result == READ_INVALID || result == READ_TOO_LARGE) {
            return result;
        } else if (result == READ_COMPLETE && p->got + n >= hello_len) {
            struct bytes hello = { record + RECORD_HEADER_LEN, hello_len };

            if (p->got) {
                defragment((const uint8_t *) buffer, hello_len,
                           request->storage);
                hello.p = (const uint8_t *) request->storage;
            }
            hello.p += sizeof p->header;
            hello.n -= sizeof p->header;
            return read_hello(hello, request) ? READ_COMPLETE : READ_INVALID;
        } else if (n < record_len) {
            break;
        }
        p->at += RECORD_HEADER_LEN + record_len;
        p->got += n;
    }
    return end < TLS_MAX_BYTES ? READ_PARTIAL : READ_TOO_LARGE;
}

void
tls_alert(const char *buffer, size_t len, uint8_t alert[TLS_ALERT_LEN])
{
    bool is_hello = (len && buffer[0] == CONTENT_HANDSHAKE
                     && (len <= RECORD_HEADER_LEN
                         || buffer[RECORD_HEADER_LEN] == CLIENT_HELLO));

    /* The version that RFC 8446 5.1 has for a first record. */
    alert[0] = CONTENT_ALERT;
    alert[1] = 3;
    alert[2] = 1;
    alert[3] = 0;
    alert[4] = 2;
    alert[5] = ALERT_FATAL;
    alert[6] = is_hello ? ALERT_DECODE_ERROR : ALERT_UNEXPECTED_MESSAGE;
}
