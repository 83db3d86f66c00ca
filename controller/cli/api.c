/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "api.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest-client.h"
#include "util.h"

void
api_init(const char *urls, const char *token, const char *ca_file)
{
    static struct rest_options options;

    options = (struct rest_options) {
        .urls = urls,
        .token = token,
        .ca_file = ca_file,
        .connect_msec = 3000,
        .answer_msec = 30000,
        .answer_max = SIZE_MAX,
    };
    if (!rest_init(&options)) {
        die(EXIT_UNREACHABLE, "libcurl does not work");
    }
}

/* Whether to ask another controller: the request was surely not carried out
 * by this one, for a reason that may be its own. */
static bool
may_ask_another(const struct rest_answer *answer)
{
    return answer->status == 503 || (!answer->status && !answer->unanswered);
}

/* Asks one controller after another, until one is not to be given up. */
static void
ask_any(const char *method, const char *path, const json_t *body,
        const char *header, struct rest_answer *answer)
{
    for (;;) {
        int len;
        const char *url = rest_url(&len);

        rest_ask(method, path, body, header, answer);
        if (!answer->status) {
            fprintf(stderr, "ovs-migratectl: %.*s: %s\n", len, url,
                    answer->error);
        }
        if (!may_ask_another(answer) || !rest_turn()) {
            return;
        }
        json_decref(answer->json);
    }
}

/* What 'problem' with 'body' is about: which of its changes, if it has some,
 * by its path.  Stores where the rest of 'problem' begins in '*rest'. */
static const char *
place(const json_t *body, const char *problem, const char **rest)
{
    unsigned long i;
    int n = 0;

    *rest = problem;
    if (sscanf(problem, "/changes/%lu%n", &i, &n) != 1) {
        return "";
    }
    *rest += n;
    *rest += strncmp(*rest, "/body", 5) ? 0 : 5;
    return json_string_value(json_object_get(json_array_get(
        json_object_get(body, "changes"), i), "path")) + strlen("/v1");
}

static void
print_problems(const json_t *body, const struct rest_answer *answer)
{
    /* For the command line it is another one.  Only "add" makes a
     * condition. */
    const char *remedy = (answer->status == 412 ? "\"set\" changes it"
                          : answer->status == 401 ? "give --token-file" : NULL);
    const char *detail = json_string_value(json_object_get(answer->json,
                                                           "detail"));
    char *problem;

    if (remedy && detail) {
        fprintf(stderr, "ovs-migratectl: %s; %s\n", detail, remedy);
        return;
    }
    for (size_t i = 0; (problem = rest_problem(answer, i)) != NULL; i++) {
        const char *rest;
        const char *path = place(body, problem, &rest);

        fprintf(stderr, "ovs-migratectl: %s%s\n", path, rest);
        free(problem);
    }
    if (answer->status < 500 && json_object_get(body, "changes")) {
        fputs("ovs-migratectl: nothing was changed\n", stderr);
    }
}

json_t *
api_request(const char *method, const char *path, const json_t *body,
            const char *header)
{
    struct rest_answer answer;

    ask_any(method, path, body, header, &answer);
    if (!answer.status) {
        die(EXIT_UNREACHABLE, "%s", answer.unanswered
            ? (strcmp(method, "GET")
               ? "no answer; what was asked for may have been done"
               : "no answer; the URL may want https:, or be another one's")
            : "no controller can be reached; give another --url, or see "
            "whether ovs-migrate-controller runs");
    } else if (answer.status >= 300) {
        print_problems(body, &answer);
        exit(answer.status >= 500 ? EXIT_UNREACHABLE : EXIT_REFUSED);
    } else if (!answer.empty && !answer.json) {
        die(EXIT_UNREACHABLE, "the answer is not JSON; is there a controller "
            "at this URL?");
    }
    return answer.json ? answer.json : json_null();
}

/* A stream of events. */
struct follower {
    char *text;                 /* What was not a whole line yet. */
    size_t len;
    json_int_t id;              /* The last one, which holds when the blank
                                 * line after it has come. */
    json_int_t *after;
    void (*cb)(const json_t *event);
};

static void
follow_line(struct follower *f, char *line)
{
    json_t *event;

    line[strcspn(line, "\r")] = '\0';
    if (!strncmp(line, "id: ", 4)) {
        f->id = atoll(line + 4);
    } else if (!strncmp(line, "data: ", 6)
               && (event = json_loads(line + 6, 0, NULL)) != NULL) {
        *f->after = f->id;
        f->cb(event);
        json_decref(event);
    } else if (!*line) {
        *f->after = f->id;
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
    struct follower f = { .id = *after, .after = after, .cb = cb };
    char *header = NULL;
    long status;

    if (*after >= 0) {
        header = xasprintf("Last-Event-ID: %" JSON_INTEGER_FORMAT, *after);
    }
    status = rest_follow("/v1/events", header, follow, &f);
    if (status >= 400 && status != 503) {
        die(EXIT_REFUSED, "status %ld for the stream of events", status);
    }
    rest_turn();
    free(header);
    free(f.text);
}

/* Complains of the switches that did not answer for 'page'.  Returns whether
 * there are none. */
static bool
is_complete(const json_t *page)
{
    const json_t *unreachable = json_object_get(page, "unreachable");
    const json_t *name;
    size_t i;

    json_array_foreach(unreachable, i, name) {
        fprintf(stderr, "ovs-migratectl: switch %s does not answer, so what "
                "it knows is missing\n", json_string_value(name));
    }
    return !json_array_size(unreachable);
}

bool
api_pages(const char *path, const char *filter,
          void (*cb)(void *aux, const json_t *items), void *aux)
{
    char *next = xasprintf("/v1/%s?limit=10000%s%s", path, *filter ? "&" : "",
                           filter);
    bool complete = true;

    while (next) {
        json_t *page = api_request("GET", next, NULL, NULL);
        const char *more = json_string_value(json_object_get(page, "next"));

        cb(aux, json_object_get(page, "items"));
        complete &= is_complete(page);
        free(next);
        next = more ? xasprintf("%s", more) : NULL;
        json_decref(page);
    }
    return complete;
}

static void
extend(void *all, const json_t *items)
{
    json_array_extend(all, (json_t *) items);
}

json_t *
api_list(const char *path, const char *filter)
{
    json_t *all = json_array();

    api_pages(path, filter, extend, all);
    return all;
}
