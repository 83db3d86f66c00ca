/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reaper.h"

#include <string.h>

#include "services.h"
#include "switches.h"
#include "util.h"

void
reaper_init(struct reaper *r, struct migrator *m, struct reports *reports,
            struct services *services, struct switches *switches)
{
    memset(r, 0, sizeof *r);
    r->m = m;
    r->reports = reports;
    r->services = services;
    r->switches = switches;
    r->hurry = true;
    scan_start(&r->scan);
}

void
reaper_destroy(struct reaper *r)
{
    free(r->entries);
    r->entries = NULL;
}

static void
grow(struct reaper *r)
{
    size_t size = r->size ? r->size * 2 : 1024;
    struct reaper_entry *new = xcalloc(size, sizeof *new);

    for (size_t i = 0; i < r->n; i++) {
        new[i] = r->entries[(r->first + i) % r->size];
    }
    free(r->entries);
    r->entries = new;
    r->first = 0;
    r->size = size;
}

void
reaper_add(struct reaper *r, const struct event *event)
{
    if (r->n == r->size) {
        grow(r);
    }
    r->entries[(r->first + r->n++) % r->size] = (struct reaper_entry) {
        .flow_id = event->flow_id,
        .switch_address = event->switch_address,
        .host = event->host,
        .ended = event->changed,
    };
}

/* How long the first in line lingers, in ms.  When the table is about to fill
 * up with what is over, less: what lives is worth more. */
static int64_t
linger(const struct reaper *r)
{
    return r->n > r->m->capacity / 4 * 3 ? MIGRATE_LINGER / 4
                                         : MIGRATE_LINGER;
}

static int64_t
line_deadline(const struct reaper *r)
{
    return r->n ? (int64_t) (r->entries[r->first].ended / NSEC_PER_MSEC)
                  + linger(r) : INT64_MAX;
}

/* Tells switches again of what ended. */
static void
tell(struct reaper *r)
{
    int64_t now = time_msec();

    while (r->n_told < r->n) {
        const struct reaper_entry *e
            = &r->entries[(r->first + r->n_told) % r->size];
        struct migrate_report report = {
            .flow_id = e->flow_id,
            .event = MIGRATE_RELEASE,
        };

        if ((int64_t) (e->ended / NSEC_PER_MSEC) + REAPER_TELL_AGAIN > now) {
            break;
        }
        reports_add(r->reports, &e->host, &e->switch_address, &report);
        r->n_told++;
    }
    reports_flush(r->reports);
    r->next_telling = now + REAPER_TELL_PACE;
}

static void
reap(struct reaper *r)
{
    int64_t now = time_msec();

    while (line_deadline(r) < now) {
        uint32_t n = 0;

        while (n < MIGRATOR_BATCH && line_deadline(r) < now) {
            struct batch_entry *e = &r->m->batch->entries[n++];

            e->flow_id = r->entries[r->first].flow_id;
            e->changed = r->entries[r->first].ended;
            r->first = (r->first + 1) % r->size;
            r->n--;
            r->n_told -= r->n_told > 0;
        }
        migrator_batch(r->m, BATCH_REAP, n);
    }
}

static void
check_batch(struct reaper *r)
{
    uint32_t n = r->n_batch;

    r->n_batch = 0;
    if (!n || migrator_batch(r->m, BATCH_CHECK, n)) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct batch_entry *e = &r->m->batch->entries[i];

        if (e->result == BATCH_RELEASED) {
            struct migrate_report report = {
                .flow_id = e->flow_id,
                .event = MIGRATE_RELEASE,
            };

            reports_add(r->reports, &e->host, &e->switch_address, &report);
            r->n_repaired++;
        }
    }
}

static void
check_one(__be32 flow_id, const struct mapping *m, void *r_)
{
    struct reaper *r = r_;
    struct batch_entry *e;

    services_use(r->services, &m->tuple.service);
    switches_use(r->switches, &m->switch_address);
    e = &r->m->batch->entries[r->n_batch++];
    memset(e, 0, sizeof *e);
    e->flow_id = flow_id;
    if (r->n_batch == MIGRATOR_BATCH) {
        check_batch(r);
    }
}

void
reaper_run(struct reaper *r)
{
    int64_t now = time_msec();

    if (now >= r->next_telling) {
        tell(r);
    }
    reap(r);
    if (now < r->next_check) {
        return;
    }
    scan_run(&r->scan, r->m, check_one, r);
    check_batch(r);
    reports_flush(r->reports);
    if (r->scan.done) {
        services_expire(r->services);
        switches_expire(r->switches);
        scan_start(&r->scan);
        r->hurry = false;
        r->next_check = now + REAPER_PERIOD;
    } else {
        r->next_check = r->hurry ? now : now + REAPER_PACE;
    }
}

int64_t
reaper_deadline(const struct reaper *r)
{
    int64_t line = (line_deadline(r) == INT64_MAX
                    ? INT64_MAX : line_deadline(r) + REAPER_PACE);

    if (r->n_told < r->n && r->next_telling < line) {
        line = r->next_telling;
    }
    return line < r->next_check ? line : r->next_check;
}
