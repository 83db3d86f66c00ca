/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "events.h"

#include <string.h>


void
events_init(struct events *ev, struct migrator *m, struct reports *reports,
            struct reaper *reaper, struct news *news)
{
    memset(ev, 0, sizeof *ev);
    ev->m = m;
    ev->reports = reports;
    ev->reaper = reaper;
    ev->news = news;
}

/* Reports the CONFIRMs.  What the host expects next is read from the socket
 * now, after it has taken the bundle's data: at the event it had not. */
static void
confirm(struct events *ev)
{
    uint32_t n = ev->n;

    ev->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        memset(&ev->m->batch->entries[i], 0,
               sizeof ev->m->batch->entries[i]);
        ev->m->batch->entries[i].flow_id = ev->confirms[i].flow_id;
    }
    if (!n || migrator_batch(ev->m, BATCH_CONFIRM, n)) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct batch_entry *e = &ev->m->batch->entries[i];
        const struct event *event = &ev->confirms[i];
        struct migrate_report report = {
            .flow_id = event->flow_id,
            .event = MIGRATE_CONFIRM,
            .rcv_nxt = e->rcv_nxt,
        };

        /* If it is over already, RELEASE says all there is to say. */
        if (e->result == BATCH_DONE) {
            reports_add(ev->reports, &event->host,
                        &event->switch_address, &report);
            news_add(ev->news, &event->switch_address, event->flow_id);
        }
    }
}

int
events_take(void *ev_, void *data, size_t size)
{
    struct events *ev = ev_;
    const struct event *event = data;

    if (size < sizeof *event) {
        return 0;
    }
    if (event->type == MIGRATE_CONFIRM) {
        ev->confirms[ev->n++] = *event;
        if (ev->n == MIGRATOR_BATCH) {
            confirm(ev);
        }
    } else {
        struct migrate_report report = {
            .flow_id = event->flow_id,
            .event = MIGRATE_RELEASE,
        };

        reports_add(ev->reports, &event->host, &event->switch_address,
                    &report);
        news_add(ev->news, &event->switch_address, event->flow_id);
        reaper_add(ev->reaper, event);
    }
    return 0;
}

int
events_run(struct events *ev)
{
    int n = migrator_poll_events(ev->m);

    if (n <= 0 && ++ev->quiet >= EVENTS_QUIET) {
        /* Asleep from here on, unless something came just before. */
        migrator_sleep(ev->m, true);
        n = migrator_poll_events(ev->m);
    }
    if (n > 0) {
        migrator_sleep(ev->m, false);
        ev->quiet = 0;
    }
    confirm(ev);
    reports_flush(ev->reports);
    return ev->quiet >= EVENTS_QUIET ? -1 : EVENTS_PACE;
}
