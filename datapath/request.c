/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "request.h"

#include "text.h"

bool
request_next_header(const struct request *request, const char *name,
                    size_t name_len, size_t *at, struct request_field *value)
{
    while (*at < request->n_headers) {
        const struct http_header *h = &request->headers[(*at)++];

        if (h->name.len == name_len
            && equals_nocase(request->buffer + h->name.ofs, name, name_len)) {
            value->s = request->buffer + h->value.ofs;
            value->len = h->value.len;
            return true;
        }
    }
    return false;
}
