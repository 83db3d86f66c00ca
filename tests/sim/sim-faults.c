/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* What goes wrong with machines: they stand still, get other keys, have their
 * clocks set. */

#include "world.h"

#include "host.h"

#define STOP 5000               /* ms */
#define ROOM 64                 /* Frames that wait for who is stopped. */
#define STEP 400                /* ms in which all machines take a step in a
                                 * change of keys. */
#define DAY (24 * 3600 * 1000)

void
faults_init(struct sim *s)
{
    s->keys_change = s->config->keys_change ? 900 + rnd_below(s, 800) : 0;
    s->wall = 365LL * DAY + rnd_below(s, DAY);
}

void
stop_init(struct sim *s, struct stop *stop)
{
    stop->from = 1000 + rnd_below(s, 700);
    stop->until = stop->from + STOP;
}

bool
is_stopped(const struct sim *s, const struct stop *stop)
{
    return s->now >= stop->from && s->now < stop->until;
}

void
stop_hold(struct sim *s, struct stop *stop, const void *data, size_t len)
{
    if (stop->held++ < ROOM) {
        fly_until(s, stop->until, data, len);
    }
}

static struct seal_key
key(unsigned int generation)
{
    static const uint8_t bytes[2][MIGRATE_KEY_LEN] = {
        "0123456789abcdef", "fedcba9876543210"
    };
    struct seal_key k;

    seal_key_init(&k, bytes[generation]);
    return k;
}

void
keys_init(struct sim *s, struct key_file *file)
{
    file->keys.keys[0] = key(0);
    file->keys.n = 1;
    for (unsigned int i = 0; i < KEY_STEPS && s->keys_change; i++) {
        file->when[i] = s->keys_change + i * STEP + rnd_below(s, STEP);
    }
}

bool
keys_run(struct sim *s, struct key_file *file)
{
    static const struct {
        unsigned int n, keys[2];
    } steps[KEY_STEPS] = {
        { 2, { 0, 1 } }, { 2, { 1, 0 } }, { 1, { 1 } }
    };
    bool changed = false;

    for (unsigned int i = 0; i < KEY_STEPS; i++) {
        if (file->when[i] && s->now >= file->when[i]) {
            file->when[i] = 0;
            file->keys.n = steps[i].n;
            for (unsigned int k = 0; k < steps[i].n; k++) {
                file->keys.keys[k] = key(steps[i].keys[k]);
            }
            changed = true;
        }
    }
    return changed;
}

void
clock_init(struct sim *s, struct sim_switch *sw)
{
    sw->wall = s->wall;
    if (s->config->clock_set) {
        sw->clock_set = 900 + rnd_below(s, 1500);
    }
}

int64_t
clock_read(struct sim *s, struct sim_switch *sw)
{
    if (sw->clock_set && s->now >= sw->clock_set) {
        sw->clock_set = 0;
        sw->wall += (int64_t) rnd_below(s, 2 * DAY) - DAY;
    }
    return sw->wall + s->now;
}

/* Whether a switch knows that 'h' has the connection of 'i'. */
static bool
is_known(const struct sim *s, const struct sim_host *h,
         const struct infused *i)
{
    for (unsigned int k = 0; k < s->n_switches; k++) {
        const struct migrate *engine = s->switches[k].engine;
        const struct record *r
            = (engine ? migrate_find_connection(engine, &i->client->tuple)
               : NULL);

        if (r && r->isn == i->tcp.snd_isn && r->flow_id == i->flow_id
            && !r->pending
            && address_equals(&migrate_record_host(engine, r)->address,
                              &h->address)) {
            return true;
        }
    }
    return false;
}

void
host_gone(struct sim *s, struct sim_host *h, bool dead)
{
    for (size_t k = 0; k < HOST_SOCKETS; k++) {
        struct infused *i = &h->sockets[k];
        bool unsure = i->used && !i->closed && !is_known(s, h, i);

        if (i->used && !i->closed && (dead || unsure)) {
            i->client->infusions--;
            i->client->unsure += unsure;
        }
    }
}
