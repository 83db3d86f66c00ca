/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "migrate.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "mix.h"
#include "xalloc.h"

static const struct {
    const char *name;
    const char *text;
} counter_info[N_COUNTERS] = {
#define COUNTER(ENUM, NAME, TEXT) [COUNTER_##ENUM] = { NAME, TEXT },
    MIGRATE_COUNTERS
#undef COUNTER
};

struct migrate *
migrate_create(const struct migrate_ops *ops, void *aux,
               uint32_t max_connections, const uint8_t seed[16])
{
    struct migrate *m = calloc(1, sizeof *m);
    struct seal_key key;

    if (!m) {
        return NULL;
    }
    seal_key_init(&key, seed);
    m->ops = ops;
    m->aux = aux;
    m->records = record_table_create(max_connections, &key.key);
    if (!m->records) {
        free(m);
        return NULL;
    }
    memcpy(&m->next_flow_id, seed, 4);
    m->epoch_start = m->next_flow_id;
    memcpy(&m->epoch, seed + 4, 4);
    m->epoch |= 1;              /* Not 0. */
    memcpy(&m->ts_offset, seed + 8, 4);
    memcpy(&m->first_sequence, seed + 12, 4);
    TAILQ_INIT(&m->gathering);
    TAILQ_INIT(&m->rejecting);
    timers_init(&m->timers);
    return m;
}

static void
generation_unref(struct migrate *m, struct generation *g)
{
    if (g && !--g->refs) {
        m->n_generations--;
        policy_destroy(g->policy);
        free(g);
    }
}

/* Where the chain of hosts begins in which that with 'address' is. */
static struct host **
host_bucket(struct migrate *m, const struct migrate_address *address)
{
    uint64_t word[2];

    memcpy(word, address->byte, sizeof word);
    return &m->buckets[mix64(word[0] ^ mix64(word[1])) % HOST_BUCKETS];
}

struct host *
engine_find_host(struct migrate *m, const struct migrate_address *address)
{
    struct host *host = *host_bucket(m, address);

    while (host && !address_equals(&host->address, address)) {
        host = host->next;
    }
    return host;
}

static void
host_destroy(struct migrate *m, struct host *host)
{
    struct host **p = host_bucket(m, &host->address);

    while (*p != host) {
        p = &(*p)->next;
    }
    *p = host->next;
    m->hosts[host->index] = NULL;
    m->n_gone++;
    free(host->name);
    free(host);
}

void
migrate_destroy(struct migrate *m)
{
    uint32_t at = 0;

    if (!m) {
        return;
    }
    while (record_count(m->records)) {
        engine_forget(m, record_next(m->records, &at));
    }
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i]) {
            host_destroy(m, m->hosts[i]);
        }
    }
    generation_unref(m, m->generation);
    record_table_destroy(m->records);
    timers_uninit(&m->timers);
    free(m->synacks.ring);
    free(m);
}

/* A place in the host table that nobody has; HOST_MAX if there is none. */
static size_t
free_place(const struct migrate *m)
{
    size_t i = m->n_gone ? 0 : m->n_hosts;

    while (i < m->n_hosts && m->hosts[i]) {
        i++;
    }
    return i;
}

/* Finds the host with the address in 'config', or adds it, without a name yet.
 * Returns NULL if there are too many. */
static struct host *
host_obtain(struct migrate *m, const struct host_config *config, int64_t now)
{
    struct host *host = engine_find_host(m, &config->address);
    struct host **bucket;
    size_t place;

    if (host) {
        return host;
    }
    place = free_place(m);
    if (place >= HOST_MAX) {
        return NULL;
    }
    host = xcalloc(1, sizeof *host);
    host->address = config->address;
    host->index = place;
    host->seen = now;
    host->asked = host->answered = m->first_sequence;
    host->audit.sequence = host->audit.number = m->first_sequence;
    bucket = host_bucket(m, &host->address);
    host->next = *bucket;
    *bucket = host;
    m->hosts[place] = host;
    m->next_hello = now;
    if (place == m->n_hosts) {
        m->n_hosts++;
    } else {
        m->n_gone--;
    }
    return host;
}

/* Drops hosts that are not configured and that no record names.  An old policy
 * may still select by index. */
static void
hosts_tidy(struct migrate *m)
{
    if (m->n_generations > 1) {
        return;
    }
    for (size_t i = 0; i < m->n_hosts; i++) {
        struct host *host = m->hosts[i];

        if (host && !host->configured && !host->n_records) {
            host_destroy(m, host);
        }
    }
}

/* Drops hosts that were added for a configuration which is refused. */
static void
hosts_drop_added(struct migrate *m)
{
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i] && !m->hosts[i]->name) {
            host_destroy(m, m->hosts[i]);
        }
    }
}

/* Lets the services of 'new' go on counting where those of 'old' are. */
static void
services_inherit(const struct policy *old, const struct policy *new,
                 const struct migrate_config *config)
{
    for (size_t i = 0; i < config->n_services; i++) {
        uint32_t id = config->services[i].id;
        const struct service *from = policy_service(old, id);
        struct service *to = policy_service(new, id);

        if (from && to) {
            to->n_connections = from->n_connections;
            to->n_handoffs = from->n_handoffs;
            to->decide_misses = from->decide_misses;
            to->decide_retry = from->decide_retry;
        }
    }
}

static char *
too_many_hosts(const struct host_config *config)
{
    return xasprintf("host \"%s\": more than %d hosts", config->name,
                     HOST_MAX);
}

struct policy *
migrate_compile(const struct migrate *m, const struct migrate_config *config,
                char **error)
{
    if (config->n_hosts > HOST_MAX) {
        *error = too_many_hosts(&config->hosts[HOST_MAX]);
        return NULL;
    }
    return policy_create(config, m && m->generation ? m->generation->policy
                                                    : NULL, error);
}

/* Finds the hosts of 'config' in the host table, or adds them, and stores in
 * 'index' where they are.  Returns NULL, or an error message that the caller
 * frees. */
static char *
hosts_obtain(struct migrate *m, const struct migrate_config *config,
             uint16_t index[], int64_t now)
{
    size_t *users = xcalloc(HOST_MAX, sizeof *users);   /* Of places, from
                                                         * 1. */
    char *error = NULL;

    for (size_t i = 0; i < config->n_hosts && !error; i++) {
        struct host *host = host_obtain(m, &config->hosts[i], now);

        if (!host) {
            error = too_many_hosts(&config->hosts[i]);
        } else if (users[host->index]) {
            error = xasprintf("hosts \"%s\" and \"%s\" have the same address",
                              config->hosts[users[host->index] - 1].name,
                              config->hosts[i].name);
        } else {
            index[i] = host->index;
            users[host->index] = i + 1;
        }
    }
    free(users);
    return error;
}

char *
migrate_apply(struct migrate *m, const struct migrate_config *config,
              struct policy *policy, int64_t now)
{
    uint16_t *index = xcalloc(config->n_hosts, sizeof *index);
    char *error = hosts_obtain(m, config, index, now);
    struct generation *g;
    bool moved;

    if (error) {
        policy_destroy(policy);
        free(index);
        hosts_drop_added(m);
        return error;
    }

    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i]) {
            m->hosts[i]->configured = false;
        }
    }
    for (size_t i = 0; i < config->n_hosts; i++) {
        struct host *host = m->hosts[index[i]];

        host->configured = true;
        if (host->vlan != config->hosts[i].vlan) {
            host->vlan = config->hosts[i].vlan;
            host->mac_known = host->up = host->lost = false;
            host->seen = host->next_ask = m->next_hello = host->moved = now;
        }
        free(host->name);
        host->name = xasprintf("%s", config->hosts[i].name);
    }
    policy_bind(policy, index);
    free(index);

    g = xcalloc(1, sizeof *g);
    g->policy = policy;
    g->refs = 1;
    m->n_generations++;
    if (m->generation) {
        services_inherit(m->generation->policy, g->policy, config);
        generation_unref(m, m->generation);
    }
    m->generation = g;
    hosts_tidy(m);
    moved = m->configured
            && (!address_equals(&m->address4, &config->address4)
                || !address_equals(&m->address6, &config->address6)
                || memcmp(m->mac, config->mac, sizeof m->mac));
    m->address4 = config->address4;
    m->address6 = config->address6;
    for (size_t i = 0; i < m->n_hosts; i++) {
        struct host *host = m->hosts[i];

        if (host && moved) {
            host->moved = now;
        }
        if (host
            && !address_is_unicast(engine_address(m, &host->address))) {
            host->mac_known = false;    /* Nothing can be sent there. */
        }
    }
    memcpy(m->mac, config->mac, sizeof m->mac);
    m->mtu = config->mtu;
    m->keys = config->keys;
    m->configured = true;
    return NULL;
}

char *
migrate_configure(struct migrate *m, const struct migrate_config *config,
                  int64_t now)
{
    char *error = NULL;
    struct policy *policy = migrate_compile(m, config, &error);

    return error ? error : migrate_apply(m, config, policy, now);
}

/* Ends the older connection of the client port of 'pending', unless the host
 * that has it has taken the new one in its place. */
static void
abort_replaced(struct migrate *m, const struct pending *pending)
{
    const struct record *r = pending->record;
    const struct host *host = engine_find_host(m, &pending->replaced_at);

    if (host && (r->state != RECORD_OFFERED || m->hosts[r->host] != host)) {
        control_abort(m, host, pending->replaced_flow_id);
    }
}

void
pending_destroy(struct migrate *m, struct pending *pending)
{
    if (pending->replaced_flow_id) {
        abort_replaced(m, pending);
    }
    if (pending->record->state == RECORD_GATHER) {
        TAILQ_REMOVE(&m->gathering, pending, by_age);
    } else if (pending->record->state == RECORD_REJECTED) {
        TAILQ_REMOVE(&m->rejecting, pending, by_age);
    } else if (pending->record->state == RECORD_ASKED) {
        m->n_asked--;
    }
    timers_cancel(&m->timers, &pending->timer);
    m->pending_bytes -= pending->charged;
    generation_unref(m, pending->generation);
    assembly_uninit(&pending->assembly);
    free(pending->reader);
    pending->record->pending = NULL;
    free(pending);
}

void
engine_forget(struct migrate *m, struct record *r)
{
    if (r->state == RECORD_OFFERED || r->state == RECORD_LIVE) {
        handoff_end(m, r);
    }
    if (r->flow_id) {
        m->hosts[r->host]->n_records--;
    }
    if (r->pending) {
        pending_destroy(m, r->pending);
    }
    record_remove(m->records, r);
}

void
engine_send_to(struct migrate *m, const struct migrate_address *dst,
               uint16_t port, const uint8_t eth_dst[6], uint16_t vlan,
               uint8_t type, size_t len, uint16_t n_records,
               uint32_t sequence)
{
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(len),
        .count = htons(n_records),
        .epoch = htonl(m->epoch),
        .sequence = htonl(sequence),
    };
    struct migrate_header *message = engine_message(m);
    uint8_t *frame = (uint8_t *) message - udp_overhead(dst);
    const struct migrate_address *src = engine_address(m, dst);

    memcpy(message, &header, sizeof header);
    seal(&m->keys.keys[0], src, dst, message);
    m->ops->output(m->aux, frame,
                   udp_build(frame, len, eth_dst, m->mac, src, dst, port),
                   vlan_tag_make(vlan, 0));
}

void
engine_send(struct migrate *m, const struct host *host, uint8_t type,
            size_t len, uint16_t n_records, uint32_t sequence)
{
    engine_send_to(m, &host->address, MIGRATE_PORT, host->mac, host->vlan,
                   type, len, n_records, sequence);
}

/* A connection in use gets its flow only now, because most do not live to see
 * it, and a flow costs more than they do.  Now and then it is taken away until
 * the next packet: the bridge learns from that where the client is, and what
 * is not in use any more does without.  So it is when its host's frames look
 * different now. */
static void
sweep_placement(struct migrate *m, struct record *r, uint32_t idle,
                int64_t now)
{
    if (r->syn_seen && ((m->secrets.generation - r->syn_generation) & 3) > 1) {
        r->syn_seen = false;    /* Its cookie is not taken any more. */
    }
    if (r->placed) {
        if (idle > FLOW_LIFE
            || now - m->hosts[r->host]->moved
               <= SWEEP_ROUND + SWEEP_INTERVAL) {
            handoff_unplace(m, r);
        }
    } else if (r->wants == MIGRATE_PLACED_FLOW && !r->syn_seen
               && idle < 2 * SWEEP_ROUND) {
        handoff_place(m, r, now);
    }
}

/* Looks at as much of the table as is due and drops what is over. */
static void
sweep(struct migrate *m, int64_t now)
{
    uint32_t n = (record_capacity(m->records)
                  / (SWEEP_ROUND / SWEEP_INTERVAL) + 1);
    unsigned int n_hints = 0;
    struct record *r;

    while ((r = record_sweep(m->records, &m->sweep_at, &n))) {
        uint32_t idle = (uint32_t) now - r->touched;

        if ((r->state == RECORD_LINGER && idle > MIGRATE_LINGER)
            || (r->state == RECORD_LOST
                && idle > (lost_is_told(r) ? MIGRATE_LINGER
                           : IDLE_TIMEOUT))) {
            engine_forget(m, r);
        } else if (r->state == RECORD_LOST) {
            n_hints += n_hints < SWEEP_HINTS && lost_hint(m, r);
        } else if (r->state == RECORD_LIVE && idle > IDLE_TIMEOUT
                   && !m->hosts[r->host]->up) {
            count(m, COUNTER_IDLE);     /* No audit tells of its end. */
            engine_forget(m, r);
        } else if (audit_lost(m, r)) {
            count(m, COUNTER_REPAIRED);
            handoff_released(m, r, now);
        } else if (r->state == RECORD_LIVE) {
            sweep_placement(m, r, idle, now);
        }
    }
    hosts_tidy(m);
}

/* Its process or its machine was stopped.  What came meanwhile waits to be
 * taken in, so nobody has been silent yet; and other switches may have done
 * its work. */
void
engine_resume(struct migrate *m, int64_t now)
{
    int64_t gap = now - m->last_run;

    if (!m->stopped) {
        m->stopped = m->last_run;
    }
    m->listen_until = now + LISTEN;
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i]) {
            m->hosts[i]->seen += gap;
        }
    }
    audit_resume(m, now);
    m->last_run = now;
}

/* That is done.  Handoffs go on with the time that they had. */
static void
go_on(struct migrate *m, int64_t now)
{
    int64_t gap = now - m->stopped;
    struct record *r;
    uint32_t at = 0;

    while ((r = record_next(m->records, &at))) {
        if (r->pending && r->pending->decided <= m->stopped) {
            r->pending->decided += gap;
            r->pending->offered += gap;
        }
    }
    m->stopped = 0;
}

void
migrate_run(struct migrate *m, int64_t now, int64_t wall)
{
    struct timer *timer;

    if (!m->configured) {
        return;
    }
    if (m->last_run && now - m->last_run > STALL) {
        engine_resume(m, now);
    }
    m->last_run = now;
    cookie_secrets_update(&m->secrets, &m->keys, wall, now);
    if (m->stopped && now >= m->listen_until && audit_settled(m, now)) {
        go_on(m, now);
    }
    while (!m->stopped && (timer = timers_pop(&m->timers, now))) {
        struct pending *pending = (void *)
            ((char *) timer - offsetof(struct pending, timer));

        if (pending->record->state == RECORD_OFFERED) {
            handoff_timeout(m, pending, now);
        } else if (pending->record->state == RECORD_ASKED) {
            decide_timeout(m, pending, now);
        } else {
            gather_timeout(m, pending, now);
        }
    }
    synack_run(m, now);
    if (now >= m->next_hello) {
        control_hellos(m, now);
        audit_run(m, now);
        m->next_hello = now + (m->stopped
                               || (m->settle_by && !audit_settled(m, now))
                               ? SETTLE_INTERVAL : MIGRATE_HELLO_INTERVAL);
    }
    if (now >= m->next_sweep) {
        sweep(m, now);
        m->next_sweep = now + SWEEP_INTERVAL;
    }
}

int64_t
migrate_deadline(const struct migrate *m)
{
    int64_t deadline = timers_next(&m->timers);

    if (!m->configured) {
        return TIMERS_NEVER;
    }
    if (m->stopped) {           /* Then the next hello is not far. */
        deadline = (m->last_run < m->listen_until ? m->listen_until
                    : TIMERS_NEVER);
    }
    if (m->next_hello < deadline) {
        deadline = m->next_hello;
    }
    if (synack_deadline(m) < deadline) {
        deadline = synack_deadline(m);
    }
    if (record_count(m->records) && m->next_sweep < deadline) {
        deadline = m->next_sweep;
    }
    return deadline;
}

uint64_t
migrate_counter(const struct migrate *m, enum migrate_counter counter)
{
    return m->counters[counter];
}

const char *
migrate_counter_name(enum migrate_counter counter)
{
    return counter_info[counter].name;
}

const char *
migrate_counter_text(enum migrate_counter counter)
{
    return counter_info[counter].text;
}

const struct host *
migrate_next_host(const struct migrate *m, size_t *at)
{
    while (*at < m->n_hosts) {
        const struct host *host = m->hosts[(*at)++];

        if (host) {
            return host;
        }
    }
    return NULL;
}

const struct service *
migrate_next_service(const struct migrate *m, size_t *at)
{
    return m->generation ? policy_next(m->generation->policy, at) : NULL;
}

const struct record *
migrate_next_connection(const struct migrate *m, uint32_t *at)
{
    return record_next(m->records, at);
}

const char *
migrate_state_name(const struct record *r)
{
    static const char *const names[] = {
        [RECORD_FREE] = "free",
        [RECORD_GATHER] = "gather",
        [RECORD_ASKED] = "asked",
        [RECORD_DECIDED] = "decided",
        [RECORD_OFFERED] = "offered",
        [RECORD_LIVE] = "live",
        [RECORD_REJECTED] = "rejected",
        [RECORD_LINGER] = "linger",
        [RECORD_LOST] = "lost",
    };

    return r->standby ? "standby" : names[r->state];
}

const struct host *
migrate_record_host(const struct migrate *m, const struct record *r)
{
    return r->flow_id ? m->hosts[r->host] : NULL;
}

struct migrate_use
migrate_record_use(const struct migrate *m, const struct record *r,
                   int64_t now)
{
    struct migrate_use use = { .packets = 0 };

    if (r->placed == MIGRATE_PLACED_KERNEL) {
        m->ops->use(m->aux, &r->tuple, &use);
    }
    if (!use.packets || (int32_t) (r->touched - use.last) > 0) {
        use.last = r->touched;
    } else if ((int32_t) (use.last - (uint32_t) now) > 0) {
        use.last = now;         /* It came while we were at it. */
    }
    use.packets += r->packets;
    use.bytes += r->bytes;
    return use;
}

const struct record *
migrate_find_connection(const struct migrate *m, const struct tuple *tuple)
{
    return record_find(m->records, tuple);
}

uint32_t
migrate_connection_count(const struct migrate *m)
{
    return record_count(m->records);
}

size_t
migrate_memory(const struct migrate *m)
{
    return record_memory(m->records) + m->pending_bytes;
}
