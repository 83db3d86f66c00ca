/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "webhook.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "hash.h"
#include "timeval.h"
#include "util.h"

#define MAX_OPEN 256            /* Questions. */
#define MAX_BODY 4096           /* Bytes of an answer. */

/* A socket that libcurl wants watched. */
struct watched {
    struct hmap_node node;
    curl_socket_t fd;
    short int events;
};

struct question {
    struct ovs_list node;       /* In 'questions'. */
    CURL *easy;
    char *body;
    struct ds answer;
    webhook_cb *cb;
    void *aux;
};

struct webhooks {
    CURLM *multi;
    struct curl_slist *headers;
    struct ovs_list questions;
    size_t n_questions;
    struct hmap watched;
    long long int timeout;      /* When libcurl wants to be called. */
};

static struct watched *
find_watched(const struct webhooks *w, curl_socket_t fd)
{
    struct watched *watched;

    HMAP_FOR_EACH_WITH_HASH (watched, node, hash_int(fd, 0), &w->watched) {
        if (watched->fd == fd) {
            return watched;
        }
    }
    return NULL;
}

static int
on_socket(CURL *easy OVS_UNUSED, curl_socket_t fd, int what, void *w_,
          void *socket OVS_UNUSED)
{
    struct webhooks *w = w_;
    struct watched *watched = find_watched(w, fd);

    if (what == CURL_POLL_REMOVE) {
        if (watched) {
            hmap_remove(&w->watched, &watched->node);
            free(watched);
        }
        return 0;
    }
    if (!watched) {
        watched = xmalloc(sizeof *watched);
        watched->fd = fd;
        hmap_insert(&w->watched, &watched->node, hash_int(fd, 0));
    }
    watched->events = ((what & CURL_POLL_IN ? POLLIN : 0)
                       | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static int
on_timer(CURLM *multi OVS_UNUSED, long int msec, void *w_)
{
    struct webhooks *w = w_;

    w->timeout = msec < 0 ? LLONG_MAX : time_msec() + msec;
    return 0;
}

static size_t
on_body(char *data, size_t size, size_t n, void *q_)
{
    struct question *q = q_;
    size_t room = MAX_BODY - q->answer.length;

    ds_put_buffer(&q->answer, data, MIN(size * n, room));
    return size * n;
}

struct webhooks *
webhooks_create(void)
{
    struct webhooks *w = xzalloc(sizeof *w);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    w->multi = curl_multi_init();
    w->headers = curl_slist_append(NULL, "Content-Type: application/json");
    /* Not to wait whether the server says "100 Continue". */
    w->headers = curl_slist_append(w->headers, "Expect:");
    if (!w->multi || !w->headers) {
        out_of_memory();
    }
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
    ovs_list_init(&w->questions);
    hmap_init(&w->watched);
    w->timeout = LLONG_MAX;
    return w;
}

static void
question_destroy(struct webhooks *w, struct question *q)
{
    curl_multi_remove_handle(w->multi, q->easy);
    curl_easy_cleanup(q->easy);
    ovs_list_remove(&q->node);
    w->n_questions--;
    ds_destroy(&q->answer);
    free(q->body);
    free(q);
}

void
webhooks_destroy(struct webhooks *w)
{
    struct watched *watched;
    struct question *q;

    LIST_FOR_EACH_SAFE (q, node, &w->questions) {
        q->cb(q->aux, 0, "nobody waits for it any more");
        question_destroy(w, q);
    }
    curl_multi_cleanup(w->multi);
    curl_slist_free_all(w->headers);
    HMAP_FOR_EACH_POP (watched, node, &w->watched) {
        free(watched);
    }
    hmap_destroy(&w->watched);
    free(w);
}

bool
webhooks_post(struct webhooks *w, const char *url, const char *body,
              unsigned int timeout_msec, webhook_cb *cb, void *aux)
{
    struct question *q;

    if (w->n_questions >= MAX_OPEN) {
        return false;
    }
    q = xmalloc(sizeof *q);
    q->easy = curl_easy_init();
    if (!q->easy) {
        out_of_memory();
    }
    q->body = xstrdup(body);
    ds_init(&q->answer);
    q->cb = cb;
    q->aux = aux;
    curl_easy_setopt(q->easy, CURLOPT_URL, url);
    curl_easy_setopt(q->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(q->easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(q->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(q->easy, CURLOPT_TIMEOUT_MS, (long int) timeout_msec);
    curl_easy_setopt(q->easy, CURLOPT_POSTFIELDS, q->body);
    curl_easy_setopt(q->easy, CURLOPT_HTTPHEADER, w->headers);
    curl_easy_setopt(q->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(q->easy, CURLOPT_WRITEDATA, q);
    curl_easy_setopt(q->easy, CURLOPT_PRIVATE, q);
    ovs_list_push_back(&w->questions, &q->node);
    w->n_questions++;
    if (curl_multi_add_handle(w->multi, q->easy)) {
        out_of_memory();
    }
    return true;
}

/* Calls back for questions that are done. */
static void
finish(struct webhooks *w)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(w->multi, &left)) != NULL) {
        struct question *q;
        long int status = 0;

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &q);
        if (msg->data.result == CURLE_OK) {
            curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
            q->cb(q->aux, status, ds_cstr(&q->answer));
        } else {
            q->cb(q->aux, 0, curl_easy_strerror(msg->data.result));
        }
        question_destroy(w, q);
    }
}

void
webhooks_run(struct webhooks *w)
{
    const struct watched *watched;
    size_t n = hmap_count(&w->watched), i = 0;
    curl_socket_t *fds;
    int running;

    if (!w->n_questions) {
        return;
    }
    fds = xmalloc(n * sizeof *fds);
    HMAP_FOR_EACH (watched, node, &w->watched) {
        fds[i++] = watched->fd;
    }
    for (i = 0; i < n; i++) {
        /* Whatever is ready there. */
        curl_multi_socket_action(w->multi, fds[i], 0, &running);
    }
    free(fds);
    if (time_msec() >= w->timeout) {
        w->timeout = LLONG_MAX;
        curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    finish(w);
}

void
webhooks_wait(struct webhooks *w)
{
    const struct watched *watched;

    if (!w->n_questions) {
        return;
    }
    HMAP_FOR_EACH (watched, node, &w->watched) {
        poll_fd_wait(watched->fd, watched->events);
    }
    if (w->timeout != LLONG_MAX) {
        poll_timer_wait_until(w->timeout);
    }
}
