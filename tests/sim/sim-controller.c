/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "world.h"

#include <arpa/inet.h>
#include <string.h>

/* Says any host, now and then one that there is not, or none. */
void
controller_frame(struct sim *s, const struct sim_switch *sw,
                 const struct frame *frame, const struct packet *p)
{
    struct {
        struct migrate_header header;
        struct migrate_decide decide;
    } q;
    struct {
        struct migrate_header header;
        struct migrate_decision decision;
    } a = {
        .header = {
            .version = MIGRATE_VERSION, .type = MIGRATE_DECISION,
            .length = htons(sizeof a), .count = htons(1), .epoch = htonl(1),
        },
    };
    unsigned int host = rnd_below(s, SIM_HOSTS + 2);
    uint64_t message[sizeof a / 8];
    uint8_t buf[256];

    if (!frame_csum_ok(frame, p) || p->payload_len < sizeof q) {
        return;
    }
    memcpy(&q, frame->data + p->payload, sizeof q);
    a.decision = (struct migrate_decision) {
        .token = q.decide.token,
        .client = q.decide.client,
        .service = q.decide.service,
        .client_port = q.decide.client_port,
        .service_port = q.decide.service_port,
        .verdict = (host > SIM_HOSTS ? MIGRATE_DECISION_POLICY
                    : MIGRATE_DECISION_HOST),
    };
    if (host < SIM_HOSTS) {
        a.decision.host = s->hosts[host].address;
    }
    memcpy(message, &a, sizeof a);
    seal(&sw->keys.keys.keys[0], &sw->address, &sw->address, (void *) message);
    memcpy(buf + udp_overhead(&sw->address), message, sizeof a);
    fly(s, &s->config->controller_link, buf,
        udp_build(buf, sizeof a, sw->mac, sw->mac, &sw->address,
                  &sw->address, MIGRATE_PORT));
}

