/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "api.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define CONNECT_SECONDS 3L
#define ANSWER_SECONDS 30L

static const struct api_options *options;
static const char *urls;        /* From the one on that answered last. */
static CURL *curl;

struct answer {
    char *text;                 /* Ends in a null byte. */
    size_t len;
    long status;                /* 0: there is none. */
    bool unanswered;            /* It was sent, but not answered. */
    char error[CURL_ERROR_SIZE];
};

void
api_init(const struct api_options *o)
{
    options = o;
    urls = o->urls;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    if (!curl) {
        die(EXIT_UNREACHABLE, "libcurl does not work");
    }
}

static size_t
take(char *data, size_t size, size_t n, void *answer_)
{
    struct answer *answer = answer_;
    char *text = realloc(answer->text, answer->len + size * n + 1);

    if (!text) {
        return 0;
    }
    memcpy(text + answer->len, data, size * n);
    answer->len += size * n;
    text[answer->len] = '\0';
    answer->text = text;
    return size * n;
}

static struct curl_slist *
make_headers(const char *header, bool body)
{
    struct curl_slist *headers = NULL;

    if (body) {
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
set_options(const char *url, struct curl_slist *headers)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (options->ca_cert) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_cert);
    }
}

/* Sends one request to one controller. */
static void
ask(const char *method, const char *url, const char *body,
    const char *header, struct answer *answer)
{
    struct curl_slist *headers = make_headers(header, body != NULL);
    CURLcode code;

    memset(answer, 0, sizeof *answer);
    set_options(url, headers);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, answer->error);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t) strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    } else {
        answer->unanswered = (code == CURLE_GOT_NOTHING
                              || code == CURLE_RECV_ERROR
                              || code == CURLE_OPERATION_TIMEDOUT);
        if (!*answer->error) {
            snprintf(answer->error, sizeof answer->error, "%s",
                     curl_easy_strerror(code));
        }
    }
    curl_slist_free_all(headers);
}

/* Whether to ask another controller: the request was surely not carried out
 * by this one, for a reason that may be its own. */
static bool
may_ask_another(const struct answer *answer)
{
    return answer->status == 503 || (!answer->status && !answer->unanswered);
}

/* Asks one controller after another, until one is not to be given up. */
static void
ask_any(const char *method, const char *path, const char *body,
        const char *header, struct answer *answer)
{
    memset(answer, 0, sizeof *answer);
    for (;;) {
        size_t len = strcspn(urls, ",");
        char *url = xasprintf("%.*s%s", (int) len, urls, path);

        free(answer->text);
        ask(method, url, body, header, answer);
        free(url);
        if (!answer->status) {
            fprintf(stderr, "ovs-migratectl: %.*s: %s\n", (int) len, urls,
                    answer->error);
        }
        if (!may_ask_another(answer) || !urls[len]) {
            return;
        }
        urls += len + 1;
    }
}

static const char *
member(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));

    return s ? s : "";
}

/* Tells what is wrong, as an "application/problem+json" body says. */
static void
print_problem(const struct answer *answer, const json_t *problem)
{
    const json_t *errors = json_object_get(problem, "errors");
    const json_t *error;
    size_t i;

    if (!json_is_object(problem)) {
        fprintf(stderr, "ovs-migratectl: the answer is status %ld; is there "
                "a controller at this URL?\n", answer->status);
        return;
    }
    if (!errors) {
        const char *remedy = member(problem, "remedy");

        fprintf(stderr, "ovs-migratectl: %s%s%s\n", member(problem, "detail"),
                *remedy ? "; " : "", remedy);
    }
    json_array_foreach(errors, i, error) {
        fprintf(stderr, "ovs-migratectl: %s: %s; %s\n",
                member(error, "field"), member(error, "detail"),
                member(error, "remedy"));
    }
}

json_t *
api_request(const char *method, const char *path, const json_t *body,
            const char *header)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct answer answer;
    json_t *json = NULL;

    ask_any(method, path, text, header, &answer);
    free(text);
    if (!answer.status) {
        die(EXIT_UNREACHABLE, "%s", answer.unanswered
            ? "no answer; what was asked for may have been done"
            : "no controller can be reached; give another --url, or see "
            "whether ovs-migrate-controller runs");
    }
    if (answer.len) {
        json = json_loads(answer.text, JSON_DECODE_ANY, NULL);
    }
    free(answer.text);
    if (answer.status >= 300) {
        print_problem(&answer, json);
        json_decref(json);
        exit(answer.status >= 500 ? EXIT_UNREACHABLE : EXIT_REFUSED);
    } else if (answer.len && !json) {
        die(EXIT_UNREACHABLE, "the answer is not JSON; is there a controller "
            "at this URL?");
    }
    return json ? json : json_null();
}

/* A stream of events. */
struct follower {
    char *text;                 /* What was not a whole line yet. */
    size_t len;
    json_int_t *after;
    void (*cb)(const json_t *event);
};

static void
follow_line(struct follower *f, char *line)
{
    json_t *event;

    line[strcspn(line, "\r")] = '\0';
    if (!strncmp(line, "data: ", 6)
        && (event = json_loads(line + 6, 0, NULL)) != NULL) {
        *f->after = json_integer_value(json_object_get(event, "seq"));
        f->cb(event);
        json_decref(event);
    }
}

static size_t
follow(char *data, size_t size, size_t n, void *f_)
{
    struct follower *f = f_;
    char *text = realloc(f->text, f->len + size * n + 1);
    char *end;

    if (!text) {
        return 0;
    }
    f->text = text;
    memcpy(f->text + f->len, data, size * n);
    f->len += size * n;
    f->text[f->len] = '\0';
    while ((end = memchr(f->text, '\n', f->len)) != NULL) {
        *end++ = '\0';
        follow_line(f, f->text);
        f->len -= end - f->text;
        memmove(f->text, end, f->len + 1);
    }
    return size * n;
}

void
api_follow(json_int_t *after, void (*cb)(const json_t *event))
{
    struct curl_slist *headers = make_headers("Accept: text/event-stream",
                                              false);
    size_t len = strcspn(urls, ",");
    char *url = xasprintf("%.*s/v1/events", (int) len, urls);
    struct follower f = { .after = after, .cb = cb };
    long status = 0;

    if (*after >= 0) {
        char *line = xasprintf("Last-Event-ID: %" JSON_INTEGER_FORMAT,
                               *after);

        headers = curl_slist_append(headers, line);
        free(line);
    }
    set_options(url, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0L);
    /* The controller says something every 15 seconds. */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 40L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, follow);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &f);
    curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400 && status != 503) {
        die(EXIT_REFUSED, "status %ld for the stream of events", status);
    }
    /* The next controller, or the first one again. */
    urls = urls[len] ? urls + len + 1 : options->urls;
    curl_slist_free_all(headers);
    free(f.text);
    free(url);
}

json_t *
api_list(const char *path, const char *filter)
{
    char *next = xasprintf("/v1/%s?limit=10000%s%s", path, *filter ? "&" : "",
                           filter);
    json_t *all = json_array();

    while (next) {
        json_t *page = api_request("GET", next, NULL, NULL);
        const char *more = json_string_value(json_object_get(page, "next"));

        json_array_extend(all, json_object_get(page, "items"));
        free(next);
        next = more ? xasprintf("%s", more) : NULL;
        json_decref(page);
    }
    return all;
}

char *
api_encode(const char *s)
{
    char *encoded = curl_easy_escape(curl, s, 0);
    char *copy = xasprintf("%s", encoded ? encoded : "");

    curl_free(encoded);
    return copy;
}
