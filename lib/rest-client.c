/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "rest-client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

static const struct rest_options *options;
static const char *url;         /* In options->urls: the one in use. */
static CURL *curl;

/* A body, as it comes. */
struct body {
    char *text;
    size_t len;
};

bool
rest_init(const struct rest_options *o)
{
    options = o;
    url = o->urls;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    return curl != NULL;
}

const char *
rest_url(int *len)
{
    *len = strcspn(url, ",");
    while (*len && url[*len - 1] == '/') {
        --*len;
    }
    return url;
}

bool
rest_turn(void)
{
    url += strcspn(url, ",");
    url = *url ? url + 1 : options->urls;
    return url != options->urls;
}

static size_t
take(char *data, size_t size, size_t n, void *body_)
{
    struct body *body = body_;
    char *text;

    if (size * n > options->answer_max - body->len) {
        return 0;
    }
    text = realloc(body->text, body->len + size * n);
    if (!text) {
        return 0;
    }
    memcpy(text + body->len, data, size * n);
    body->len += size * n;
    body->text = text;
    return size * n;
}

static struct curl_slist *
make_headers(const char *header, bool has_body)
{
    /* Nothing is to wait for "100 Continue". */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");

    if (has_body) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
    }
    if (options->token) {
        char *line = xasprintf("Authorization: Bearer %s", options->token);

        headers = curl_slist_append(headers, line);
        free(line);
    }
    return header ? curl_slist_append(headers, header) : headers;
}

/* Sets what all requests have in common. */
static void
set_options(const char *path, struct curl_slist *headers)
{
    int len;
    const char *base = rest_url(&len);
    char *full = xasprintf("%.*s%s", len, base, path);

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, full);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");  /* Whatever is in the
                                                 * environment. */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, options->connect_msec);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (options->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
    }
    free(full);
}

/* Carries the request out that 'curl' is set for. */
static void
perform(struct rest_answer *answer)
{
    CURLcode code;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, answer->error);
    code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
        return;
    }
    answer->unanswered = (code == CURLE_GOT_NOTHING
                          || code == CURLE_RECV_ERROR
                          || code == CURLE_PARTIAL_FILE
                          || code == CURLE_WRITE_ERROR
                          || code == CURLE_OPERATION_TIMEDOUT);
    if (!*answer->error) {
        snprintf(answer->error, sizeof answer->error, "%s",
                 curl_easy_strerror(code));
    }
}

void
rest_ask(const char *method, const char *path, const json_t *json,
         const char *header, struct rest_answer *answer)
{
    struct curl_slist *headers = make_headers(header, json != NULL);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    struct body body = { NULL, 0 };

    memset(answer, 0, sizeof *answer);
    set_options(path, headers);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, options->answer_msec);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    if (text) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t) strlen(text));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    }
    perform(answer);
    answer->empty = !body.len;
    if (answer->status && body.len) {
        answer->json = json_loadb(body.text, body.len, JSON_DECODE_ANY, NULL);
    }
    free(body.text);
    free(text);
    curl_slist_free_all(headers);
}

long
rest_follow(const char *path, const char *header,
            size_t (*write)(char *data, size_t size, size_t n, void *aux),
            void *aux)
{
    struct curl_slist *headers = curl_slist_append(
        make_headers(header, false), "Accept: text/event-stream");
    long status = 0;

    set_options(path, headers);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 40L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, aux);
    curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    return status;
}

/* Member 'name' of 'problem', with 'before' before it; "" if there is none. */
static char *
member(const json_t *problem, const char *before, const char *name)
{
    const char *s = json_string_value(json_object_get(problem, name));

    return xasprintf("%s%s", s ? before : "", s ? s : "");
}

char *
rest_problem(const struct rest_answer *answer, size_t i)
{
    const json_t *errors = json_object_get(answer->json, "errors");
    const json_t *problem = (json_array_size(errors)
                             ? json_array_get(errors, i)
                             : i ? NULL : answer->json);
    char *field, *detail, *remedy, *text;

    if (!json_is_object(problem)) {
        return (i ? NULL
                : xasprintf("the answer is status %ld; is there a controller "
                            "at this URL?", answer->status));
    }
    field = member(problem, "", "field");
    detail = member(problem, *field ? ": " : "", "detail");
    remedy = member(problem, "; ", "remedy");
    text = xasprintf("%s%s%s", field, detail, remedy);
    free(field);
    free(detail);
    free(remedy);
    return text;
}

char *
rest_encode(const char *s)
{
    char *encoded = curl_easy_escape(curl, s, 0);
    char *copy = xasprintf("%s", encoded ? encoded : "");

    curl_free(encoded);
    return copy;
}
