/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "events.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(events);

#define LIMIT_DEFAULT 1000

static int
compare_events(const void *a_, const void *b_)
{
    const struct omrec_event *const *a = a_;
    const struct omrec_event *const *b = b_;

    return (*a)->seq < (*b)->seq ? -1 : (*a)->seq > (*b)->seq;
}

/* Learns which numbers are in use, and makes room: a bit more than needed, so
 * that not every event has to look at all others. */
static void
make_room(struct events *events)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(events->idl);
    size_t limit = (fabric && fabric->event_limit ? *fabric->event_limit
                    : LIMIT_DEFAULT);
    size_t keep = limit - limit / 10 - (limit < 10);
    const struct omrec_event *row, **rows = NULL;
    size_t n = 0, allocated = 0;

    OMREC_EVENT_FOR_EACH (row, events->idl) {
        if (n >= allocated) {
            rows = x2nrealloc(rows, &allocated, sizeof *rows);
        }
        rows[n++] = row;
        events->last = MAX(events->last, row->seq);
    }
    if (n >= limit) {
        qsort(rows, n, sizeof *rows, compare_events);
        for (size_t i = 0; i < n - keep; i++) {
            omrec_event_delete(rows[i]);
        }
        n = keep;
    }
    events->room = limit - n;
    free(rows);
}

void
events_add(struct events *events, const char *severity, const char *kind,
           const char *resource, const char *name, const char *format, ...)
{
    struct omrec_event *row;
    char *subject, *text;
    va_list args;

    if (!events->room) {
        make_room(events);
    }
    events->room--;
    subject = xasprintf("%s/%s", resource, name);
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    row = omrec_event_insert(events->txn);
    omrec_event_set_seq(row, ++events->last);
    omrec_event_set_time(row, time_wall_msec());
    omrec_event_set_severity(row, severity);
    omrec_event_set_kind(row, kind);
    omrec_event_set_subject(row, subject);
    omrec_event_set_text(row, text);
    VLOG_INFO("%s", text);
    free(subject);
    free(text);
}

bool
events_is_change(const struct smap *status, const char *key,
                 const char *value)
{
    const char *old = smap_get(status, key);

    return old && strcmp(old, value);
}
