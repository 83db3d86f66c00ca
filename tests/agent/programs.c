/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "programs.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/address.h"
#include "unit.h"

#define MAX_CPUS 256
#define MAX_ENTRIES 1024            /* Of tables. */

struct migrator_bpf *skel;
struct keyring keyring;
struct cast cast4, cast6;

static void
endpoint(struct endpoint *e, const char *address, uint16_t port)
{
    if (!address_parse(address, &e->address)) {
        abort();
    }
    e->port = port;
}

static void
set_up_cast(void)
{
    endpoint(&cast4.sw, "10.0.0.254", MIGRATE_PORT);
    endpoint(&cast4.host, "10.0.0.11", MIGRATE_PORT);
    endpoint(&cast4.client, "192.0.2.77", 45678);
    endpoint(&cast4.service, "10.0.0.100", 80);
    endpoint(&cast6.sw, "fd00::fe", MIGRATE_PORT);
    endpoint(&cast6.host, "fd00::11", MIGRATE_PORT);
    endpoint(&cast6.client, "2001:db8::77", 45678);
    endpoint(&cast6.service, "fd00::100", 80);
}

static void
set_up_loopback(void)
{
    struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr)) {
        unit_bail_out("lo");
    }
    close(fd);
}

void
set_key(__u32 index, const struct seal_key *key)
{
    struct fabric_key value = { .valid = key != NULL };

    if (key) {
        value.key = key->key;
        value.id = key->id;
    }
    bpf_map_update_elem(bpf_map__fd(skel->maps.keys), &index, &value, BPF_ANY);
}

void
set_up(void)
{
    static const __u8 bytes[MIGRATE_KEY_LEN] = "sixteen bytes :)";
    struct migrator_config config = {
        .layout = MIGRATOR_LAYOUT, .epoch = htonl(EPOCH),
    };
    __u32 zero = 0;

    if (skel) {
        return;
    }
    unit_own_network();
    set_up_loopback();
    set_up_cast();
    seal_key_init(&keyring.keys[0], bytes);
    keyring.n = 1;
    skel = migrator_bpf__open();
    if (!skel) {
        unit_bail_out("programs");
    }
    /* That a table is empty is seen sooner in a small one. */
    bpf_map__set_max_entries(skel->maps.mappings, MAX_ENTRIES);
    bpf_map__set_max_entries(skel->maps.tuples, MAX_ENTRIES);
    bpf_map__set_max_entries(skel->maps.refusals, MAX_ENTRIES);
    if (migrator_bpf__load(skel)) {
        unit_bail_out("programs");
    }
    set_key(0, &keyring.keys[0]);
    config.own_v4 = address_to_v4(&cast4.host.address);
    config.own_v6 = cast6.host.address;
    bpf_map_update_elem(bpf_map__fd(skel->maps.config), &zero, &config,
                        BPF_ANY);
}

void
say_hello(const struct cast *c, uint32_t epoch, uint32_t floor,
          uint64_t silence)
{
    struct switch_peer peer = { .epoch = htonl(epoch), .floor = floor };
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    peer.heard = (ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec
                  - silence * 1000000);
    bpf_map_update_elem(bpf_map__fd(skel->maps.switches), &c->sw.address,
                        &peer, BPF_ANY);
}

void
set_up_switches(void)
{
    set_up();
    say_hello(&cast4, SWITCH_EPOCH, FLOW_ID, 0);
    say_hello(&cast6, SWITCH_EPOCH, FLOW_ID, 0);
}

int
run(const struct bpf_program *prog, const struct frame *in,
    struct frame *out)
{
    struct frame ignored;
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts,
                        .data_in = in->bytes,
                        .data_size_in = in->size,
                        .data_out = out ? out->bytes : ignored.bytes,
                        .data_size_out = FRAME_MAX);

    if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts)) {
        unit_bail_out("BPF_PROG_TEST_RUN");
    }
    if (out) {
        out->size = opts.data_size_out;
    }
    return (int) opts.retval;
}

int
ingress(const struct frame *in, struct frame *out)
{
    return run(skel->progs.migrator_ingress, in, out);
}

void
all_counters(uint64_t counted[N_COUNTERS])
{
    static uint64_t per_cpu[N_COUNTERS * MAX_CPUS];
    int n_cpus = libbpf_num_possible_cpus();
    __u32 keys[N_COUNTERS], n = N_COUNTERS, next;

    if (n_cpus > MAX_CPUS
        || bpf_map_lookup_batch(bpf_map__fd(skel->maps.counters), NULL, &next,
                                keys, per_cpu, &n, NULL)
        || n != N_COUNTERS) {
        unit_bail_out("counters");
    }
    for (int i = 0; i < N_COUNTERS; i++) {
        counted[i] = 0;
        for (int cpu = 0; cpu < n_cpus; cpu++) {
            counted[i] += per_cpu[i * n_cpus + cpu];
        }
    }
}

uint64_t
counter(enum counter c)
{
    uint64_t counted[N_COUNTERS];

    all_counters(counted);
    return counted[c];
}

bool
is_empty(const struct bpf_map *map)
{
    char key[64];

    return bpf_map_get_next_key(bpf_map__fd(map), NULL, key) != 0;
}

void
clear(const struct bpf_map *map)
{
    char key[64];

    while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key)) {
        bpf_map_delete_elem(bpf_map__fd(map), key);
    }
}

bool
frame_equals(const struct frame *a, const struct frame *b)
{
    return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

size_t
make_bundle(const struct cast *c, uint8_t *buf, size_t size)
{
    struct migrate_bundle *b = (void *) buf;
    uint8_t request[FRAME_MAX];
    size_t len;

    memset(request, 'x', size);
    memset(buf, 0, FRAME_MAX - 100);
    len = ip_tcp(buf + sizeof *b, &c->client, &c->service, 1001, 5001,
                 T_ACK | T_PSH, request, size);
    b->flow_id = htonl(FLOW_ID);
    b->service_id = htonl(1);
    b->client = c->client.address;
    b->service = c->service.address;
    b->client_port = htons(c->client.port);
    b->service_port = htons(c->service.port);
    b->family = c == &cast4 ? 4 : 6;
    b->options = MIGRATE_OPT_WSCALE | MIGRATE_OPT_SACK;
    b->snd_wscale = b->rcv_wscale = 7;
    b->mss = htons(1460);
    b->packet_len = htons(len);
    len = (sizeof *b + len + 7) / 8 * 8;
    b->header.version = MIGRATE_VERSION;
    b->header.type = MIGRATE_BUNDLE;
    b->header.length = htons(len);
    b->header.epoch = htonl(SWITCH_EPOCH);
    seal(&keyring.keys[0], &c->sw.address, &c->host.address, &b->header);
    return len;
}

void
frame_bundle(const struct cast *c, struct frame *f, size_t size)
{
    static uint8_t buf[FRAME_MAX] __attribute__((aligned(8)));
    size_t len = make_bundle(c, buf, size);

    frame_udp(f, &c->sw, &c->host, buf, len);
}

void
add_mapping(const struct cast *c, enum mapping_state state)
{
    __be32 flow_id = htonl(FLOW_ID);
    struct mapping m = {
        .tuple = {
            .client = c->client.address,
            .service = c->service.address,
            .client_port = htons(c->client.port),
            .service_port = htons(c->service.port),
        },
        .state = state,
        .switch_address = c->sw.address,
        .snd_una = 0xfffffffe,
        .snd_nxt = 5,
    };

    bpf_map_update_elem(bpf_map__fd(skel->maps.mappings), &flow_id, &m,
                        BPF_ANY);
    bpf_map_update_elem(bpf_map__fd(skel->maps.tuples), &m.tuple, &flow_id,
                        BPF_ANY);
}
