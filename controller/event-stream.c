/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "event-stream.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "reply.h"
#include "represent.h"
#include "resource.h"
#include "store.h"
#include "timeval.h"
#include "util.h"

#define MAX_STREAMS 1000
#define ALIVE_MSEC 15000        /* The last number is sent so often, by which
                                 * both ends notice that the other one has
                                 * gone. */

struct stream {
    struct ovs_list node;
    struct event_streams *all;
    struct http_stream *http;
    int64_t last;               /* Number of the last event. */
    struct ds text;             /* To be sent... */
    size_t sent;                /* ...and what of it was. */
    bool number;                /* 'last' is to be sent, without an event... */
    long long int alive;        /* ...and again then. */
};

void
event_streams_init(struct event_streams *all, const struct store *store)
{
    all->store = store;
    ovs_list_init(&all->streams);
    all->n = 0;
    all->seqno = 0;
    all->ending = false;
}

static void
wake_all(struct event_streams *all)
{
    struct stream *s;

    LIST_FOR_EACH (s, node, &all->streams) {
        http_stream_wake(s->http);
    }
}

void
event_streams_end(struct event_streams *all)
{
    all->ending = true;
    wake_all(all);
}

bool
event_streams_wanted(const struct http_request *request)
{
    const char *accept = http_header(request, "Accept");

    return accept && strstr(accept, "text/event-stream");
}

/* Puts the next event, or the number of the last one, into the empty
 * 's->text', if there is something to say. */
static void
fill(struct stream *s)
{
    const struct resource *events = resource_by_table("Event");
    struct ovsdb_idl_cursor cursor;
    const struct ovsdb_idl_row *row;
    char after[32];

    snprintf(after, sizeof after, "%"PRId64, s->last);
    cursor = store_after(s->all->store, events, after);
    row = ovsdb_idl_cursor_data(&cursor);
    if (row) {
        struct json *json = represent(s->all->store, events, row);
        char *text = json_to_string(json, JSSF_SORT);

        s->last = CONTAINER_OF(row, struct omrec_event, header_)->seq;
        ds_put_format(&s->text, "id: %"PRId64"\ndata: %s\n\n", s->last,
                      text);
        free(text);
        json_destroy(json);
    } else if (s->number) {
        ds_put_format(&s->text, "id: %"PRId64"\n\n", s->last);
    }
}

static ssize_t
stream_read(void *s_, char *buf, size_t size)
{
    struct stream *s = s_;
    size_t n;

    if (s->sent == s->text.length) {
        ds_clear(&s->text);
        s->sent = 0;
        if (s->all->ending) {
            return -1;
        }
        fill(s);
    }
    n = MIN(size, s->text.length - s->sent);
    memcpy(buf, s->text.string + s->sent, n);
    s->sent += n;
    s->number &= !n;
    return n;
}

static void
stream_destroy(void *s_)
{
    struct stream *s = s_;

    ovs_list_remove(&s->node);
    s->all->n--;
    ds_destroy(&s->text);
    free(s);
}

static const struct http_stream_ops stream_ops = {
    .read = stream_read,
    .destroy = stream_destroy,
};

static int64_t
newest(const struct event_streams *all)
{
    const struct omrec_event *row;
    int64_t last = 0;

    OMREC_EVENT_FOR_EACH (row, all->store->idl) {
        last = MAX(last, row->seq);
    }
    return last;
}

static void
refuse_parameter(const char *name, const char *value OVS_UNUSED,
                 void *unknown_)
{
    const char **unknown = unknown_;

    *unknown = name;
}

void
event_streams_handle(struct event_streams *all, struct http_request *request)
{
    const char *last = http_header(request, "Last-Event-ID");
    const char *unknown = NULL;
    struct stream *s;
    long long int seq;

    http_for_each_parameter(request, refuse_parameter, &unknown);
    if (unknown) {
        reply_refusal(request, 400, "leave it out", "a stream has no "
                      "parameter \"%s\"", unknown);
        return;
    } else if (last && (!str_to_llong(last, 10, &seq) || seq < 0)) {
        reply_refusal(request, 400, "send the \"id\" of an event",
                      "Last-Event-ID \"%s\" is no number", last);
        return;
    } else if (all->n >= MAX_STREAMS) {
        reply_refusal(request, 503, "try again, or ask another controller",
                      "there are too many streams");
        return;
    }
    s = xzalloc(sizeof *s);
    s->all = all;
    s->last = last ? seq : newest(all);
    ds_init(&s->text);
    s->number = true;           /* So that the head is sent, and whoever hears
                                 * no event knows where to go on. */
    s->alive = time_msec() + ALIVE_MSEC;
    ovs_list_push_back(&all->streams, &s->node);
    all->n++;
    s->http = http_reply_stream(request, "text/event-stream", &stream_ops, s);
}

void
event_streams_run(struct event_streams *all)
{
    unsigned int seqno = ovsdb_idl_get_seqno(all->store->idl);
    struct stream *s;

    if (seqno != all->seqno) {
        all->seqno = seqno;
        wake_all(all);
    }
    LIST_FOR_EACH (s, node, &all->streams) {
        if (time_msec() >= s->alive) {
            s->alive = time_msec() + ALIVE_MSEC;
            s->number = true;
            http_stream_wake(s->http);
        }
    }
}

void
event_streams_wait(struct event_streams *all)
{
    const struct stream *s;

    LIST_FOR_EACH (s, node, &all->streams) {
        poll_timer_wait_until(s->alive);
    }
}
