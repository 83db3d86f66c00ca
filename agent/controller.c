/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "util.h"

#define CONNECT_MSEC 1000L
#define ANSWER_MSEC 2000L
#define ANSWER_MAX 65536        /* Bytes. */

static const struct controller_options *options;
static const char *url;         /* In options->urls: the one in use. */
static CURL *curl;
static char complaint[512];     /* The last one. */

static struct {
    char text[ANSWER_MAX + 1];
    size_t len;
} received;

static size_t
take(char *data, size_t size, size_t n, void *aux)
{
    (void) aux;
    if (size * n > ANSWER_MAX - received.len) {
        return 0;
    }
    memcpy(received.text + received.len, data, size * n);
    received.len += size * n;
    received.text[received.len] = '\0';
    return size * n;
}

void
controller_init(const struct controller_options *o)
{
    static char line[1024];
    struct curl_slist *headers;

    options = o;
    url = o->urls;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    if (!curl) {
        log_error("libcurl does not work");
        exit(EXIT_SYSTEM);
    }
    snprintf(line, sizeof line, "Authorization: Bearer %s", o->token);
    headers = curl_slist_append(NULL, line);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MSEC);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ANSWER_MSEC);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    if (o->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
    }
}

static size_t
url_len(void)
{
    return strcspn(url, ",");
}

/* Turns to the next controller. */
static void
turn(void)
{
    url += url_len();
    url = *url ? url + 1 : options->urls;
}

static void
complain(const char *what)
{
    char line[sizeof complaint];

    snprintf(line, sizeof line, "%.*s: %s", (int) url_len(), url, what);
    if (strcmp(line, complaint)) {
        strcpy(complaint, line);
        log_warn("%s", line);
    }
}

/* Asks the one controller.  Returns a status, or 0. */
static long
ask(const char *path, const char *text)
{
    char full[1024], error[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode code;

    snprintf(full, sizeof full, "%.*s%s", (int) url_len(), url, path);
    received.len = 0;
    received.text[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, full);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    } else {
        complain(*error ? error : curl_easy_strerror(code));
    }
    return status;
}

/* What a controller says that is not content. */
static void
complain_of(long status, const json_t *problem)
{
    const json_t *first = json_array_get(json_object_get(problem, "errors"),
                                         0);
    const char *detail = json_string_value(
        json_object_get(first ? first : problem, "detail"));
    const char *remedy = json_string_value(
        json_object_get(first ? first : problem, "remedy"));
    char what[400];

    snprintf(what, sizeof what, "status %ld: %s; %s", status,
             detail ? detail : "no controller's answer",
             remedy ? remedy : "correct the URL");
    complain(what);
}

long
controller_post(const char *path, const json_t *body, json_t **answer)
{
    char *text = json_dumps(body, JSON_COMPACT);
    long status = 0;
    int n = 1;

    for (const char *p = options->urls; *p; p++) {
        n += *p == ',';
    }
    *answer = NULL;
    while (n--) {
        status = ask(path, text);
        json_decref(*answer);
        *answer = status ? json_loads(received.text, 0, NULL) : NULL;
        if (status == 200 || status == 201) {
            complaint[0] = '\0';
            break;
        } else if (status) {
            complain_of(status, *answer);
        }
        status = 0;
        turn();
    }
    free(text);
    return status;
}
