/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "peers.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lib/address.h"
#include "log.h"
#include "netlink.h"
#include "udp.h"
#include "util.h"

#define MESSAGES_PER_RUN 64

/* A message as it arrived. */
struct message {
    struct migrate_address src, dst;
    union {
        struct migrate_header header;
        char bytes[MIGRATE_MESSAGE_MAX];
    };
};

void
peers_init(struct peers *p, int fd, struct migrator *m,
           struct reports *reports, struct services *services,
           struct switches *switches, struct news *news,
           const struct keyring *keyring)
{
    memset(p, 0, sizeof *p);
    p->fd = fd;
    p->m = m;
    p->reports = reports;
    p->services = services;
    p->switches = switches;
    p->news = news;
    p->keyring = keyring;
    audits_init(&p->audits, fd, m, keyring);
}

void
peers_destroy(struct peers *p)
{
    audits_destroy(&p->audits);
}

/* How many records of 'size' bytes 'msg' has, 'skip' bytes behind its
 * header. */
static unsigned int
n_records(const struct message *msg, size_t skip, size_t size)
{
    size_t room = (ntohs(msg->header.length) - sizeof msg->header - skip)
                  / size;

    return ntohs(msg->header.count) > room ? room : ntohs(msg->header.count);
}

static uint32_t
n_connections(const struct migrator *m)
{
    uint64_t c[N_COUNTERS];

    migrator_counters(m, c);
    return c[COUNTER_ESTABLISHED] - c[COUNTER_ENDED];
}

/* The address at which switches know this host is the one to use towards
 * neighbors. */
static void
learn_own_address(struct peers *p, const struct migrate_address *own)
{
    struct migrator_config *c = &p->m->config;

    if (address_is_v4(own)) {
        if (c->own_v4 == address_to_v4(own)) {
            return;
        }
        c->own_v4 = address_to_v4(own);
    } else {
        if (address_equals(&c->own_v6, own)) {
            return;
        }
        c->own_v6 = *own;
    }
    migrator_set_config(p->m);
}

/* Makes the service addresses in 'msg' local, as far as they are there. */
static void
name_services(struct peers *p, const struct message *msg)
{
    const struct migrate_vip *vips = (const void *)
        (msg->bytes + sizeof msg->header + sizeof(struct migrate_hello));
    unsigned int n = n_records(msg, sizeof(struct migrate_hello),
                               sizeof *vips);

    for (unsigned int i = 0; i < n; i++) {
        services_name(p->services, &vips[i].address);
    }
}

static void
handle_hello(struct peers *p, const struct message *msg)
{
    const struct migrate_hello *hello = (const void *) (&msg->header + 1);
    struct {
        struct migrate_header header;
        struct migrate_status status;
    } reply;

    if (ntohs(msg->header.length) < sizeof msg->header + sizeof *hello) {
        p->n_bad++;
        return;
    }
    memset(&reply, 0, sizeof reply);
    reply.status.challenge = switches_hello(p->switches, &msg->src,
                                            &msg->header, hello);
    if (reply.status.challenge) {
        p->n_old++;
    } else {
        learn_own_address(p, &msg->dst);
        name_services(p, msg);
        news_hello(p->news, &msg->src, &msg->dst);
        p->n_hellos++;
    }
    reply.status.connections = htonl(n_connections(p->m));
    reply.status.capacity = htonl(p->m->capacity);
    reply.status.epoch = msg->header.epoch;
    reply.status.others = htonl(news_others(p->news, &msg->src));
    reply.header.version = MIGRATE_VERSION;
    reply.header.type = MIGRATE_STATUS;
    reply.header.length = htons(sizeof reply);
    reply.header.count = htons(1);
    reply.header.epoch = p->m->config.epoch;
    reply.header.sequence = msg->header.sequence;
    seal(keyring_key(p->keyring, msg->header.key_id), &msg->dst, &msg->src,
         &reply.header);
    udp_send(p->fd, &msg->dst, &msg->src, &reply, sizeof reply);
}

/* The bundle of an aborted flow may yet arrive.  It must not be taken. */
static void
remember_abort(struct peers *p, const struct message *msg, __be32 flow_id)
{
    struct refusal_key key = {
        .switch_address = msg->src, .flow_id = flow_id,
    };
    struct refusal r = {
        .epoch = msg->header.epoch,
        .reason = MIGRATE_REASON_CLOSED,
        .any = 1,
        .made = time_nsec(),
    };

    bpf_map_update_elem(p->m->refusals_fd, &key, &r, BPF_ANY);
}

/* Ends the connections of 'n' flows, at most MIGRATOR_BATCH, and reports
 * their end. */
static void
abort_flows(struct peers *p, const struct message *msg,
            const struct migrate_abort *aborts, unsigned int n)
{
    struct batch_entry *entries = p->m->batch->entries;

    for (unsigned int i = 0; i < n; i++) {
        memset(&entries[i], 0, sizeof entries[i]);
        entries[i].switch_address = msg->src;
        entries[i].flow_id = aborts[i].flow_id;
        remember_abort(p, msg, aborts[i].flow_id);
    }
    if (migrator_batch(p->m, BATCH_ABORT, n)) {
        return;
    }
    for (unsigned int i = 0; i < n; i++) {
        struct migrate_report report = {
            .flow_id = entries[i].flow_id,
            .event = MIGRATE_RELEASE,
        };

        if (entries[i].result == BATCH_DONE) {
            int error = netlink_destroy_socket(&entries[i].tuple);

            if (error && error != ENOENT) {
                log_warn("cannot end an aborted connection: %s%s",
                         strerror(error), error == EOPNOTSUPP
                         ? "; the kernel needs CONFIG_INET_DIAG_DESTROY=y"
                         : "");
            }
        }
        reports_add(p->reports, &msg->dst, &msg->src, &report);
    }
    p->n_aborts += n;
}

static void
handle_abort(struct peers *p, const struct message *msg)
{
    const struct migrate_abort *aborts = (const void *) (&msg->header + 1);
    unsigned int n = n_records(msg, 0, sizeof *aborts);

    if (!switches_know(p->switches, &msg->src, msg->header.epoch)) {
        p->n_old++;
        return;
    }
    for (unsigned int i = 0; i < n; i += MIGRATOR_BATCH) {
        abort_flows(p, msg, &aborts[i],
                    n - i < MIGRATOR_BATCH ? n - i : MIGRATOR_BATCH);
    }
    reports_flush(p->reports);
}

static void
handle_audit(struct peers *p, const struct message *msg)
{
    const struct migrate_audit *audit = (const void *) (&msg->header + 1);

    if (!n_records(msg, 0, sizeof *audit)) {
        p->n_bad++;
    } else if (!switches_audit(p->switches, &msg->src, &msg->header)) {
        p->n_old++;
    } else {
        audits_ask(&p->audits, &msg->src, &msg->dst, &msg->header, audit);
    }
}

static void
handle_heard(struct peers *p, const struct message *msg)
{
    const struct migrate_news *heard = (const void *) (&msg->header + 1);

    if (!n_records(msg, 0, sizeof *heard)) {
        p->n_bad++;
        return;
    }
    news_heard(p->news, &msg->src, be64toh(heard->number));
}

static void
handle(struct peers *p, const struct message *msg, size_t size)
{
    /* What is addressed to none of ours was answered by others. */
    if (!seal_check(p->keyring, &msg->src, &msg->dst, msg->bytes, size)) {
        p->n_bad++;
        return;
    }
    switch (msg->header.type) {
    case MIGRATE_HELLO:
        handle_hello(p, msg);
        break;
    case MIGRATE_ABORT:
        handle_abort(p, msg);
        break;
    case MIGRATE_AUDIT:
        handle_audit(p, msg);
        break;
    case MIGRATE_HEARD:
        handle_heard(p, msg);
        break;
    default:
        p->n_bad++;
        break;
    }
}

bool
peers_run(struct peers *p)
{
    static struct message msg;
    int n;

    for (n = 0; n < MESSAGES_PER_RUN; n++) {
        ssize_t size = udp_receive(p->fd, &msg.src, &msg.dst, msg.bytes,
                                   sizeof msg.bytes);

        if (size == -EAGAIN) {
            break;
        } else if (size >= 0) {
            handle(p, &msg, size);
        }
    }
    return audits_run(&p->audits) || n == MESSAGES_PER_RUN;
}
