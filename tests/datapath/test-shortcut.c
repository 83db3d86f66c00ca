/* SPDX-License-Identifier: Apache-2.0 */

/* The short way, one packet at a time: bytes in, verdicts and bytes out.  What
 * comes out is what the engine would have made of it. */

#include <config.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "packets.h"
#include "unit.h"

#define WHOLE 0xffffffff        /* The filter's: ovs-vswitchd gets it. */
#define L3 ETH_LEN
#define L4(S) (ETH_LEN + (address_is_v4(&(S)->src) ? 20 : 40))
#define DATA (SEG_ACK | SEG_PSH)
#define N_SLOTS 65535

static const struct shortcut *both[] = { &shortcut4, &shortcut6 };

/* Adds '*s' with new slots. */
static void
place(struct shortcut *s)
{
    s->first = shortcut_slot_new();
    s->last = shortcut_slot_new();
    CU_ASSERT(shortcut_add(s));
}

static void
unplace(struct shortcut *s)
{
    struct shortcut_use use;

    shortcut_remove(&s->tuple, &use);
    shortcut_slot_free(s->first);
    shortcut_slot_free(s->last);
}

/* As if GRO had made it out of segments of 'gso_size' bytes, unless 0. */
static uint32_t
filter(const struct bytes *in, uint32_t gso_size)
{
    struct __sk_buff skb = { .gso_size = gso_size, .gso_segs = !!gso_size };
    uint8_t shifted[ETH_LEN + PACKET_MAX] = { [12] = 0x88, 0xb5 };
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts,
                        .data_in = shifted, .data_size_in = ETH_LEN + in->n,
                        .ctx_in = &skb, .ctx_size_in = sizeof skb);

    /* Here, and nowhere else, the kernel takes off one Ethernet header. */
    memcpy(shifted + ETH_LEN, in->p, in->n);
    if (bpf_prog_test_run_opts(shortcut_filter(), &opts)) {
        unit_bail_out("BPF_PROG_TEST_RUN, filter");
    }
    return opts.retval;
}

static int
ingress(const struct bytes *in, struct bytes *out, uint32_t gso_size)
{
    struct __sk_buff skb = { .gso_size = gso_size, .gso_segs = !!gso_size };
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts,
                        .data_in = in->p, .data_size_in = in->n,
                        .data_out = out->p, .data_size_out = sizeof out->p,
                        .ctx_in = &skb, .ctx_size_in = sizeof skb);

    if (bpf_prog_test_run_opts(shortcut_ingress(), &opts)) {
        unit_bail_out("BPF_PROG_TEST_RUN, ingress");
    }
    out->n = opts.data_size_out;
    return (int) opts.retval;
}

static bool
is_ours(const struct bytes *in)
{
    struct bytes out;

    return !filter(in, 0) && ingress(in, &out, 0) == TC_ACT_REDIRECT;
}

/* Whether ovs-vswitchd gets it, as it is. */
static bool
is_not_ours(const struct bytes *in)
{
    struct bytes out;

    return filter(in, 0) == WHOLE && ingress(in, &out, 0) == TC_ACT_UNSPEC
           && bytes_equal(&out, in);
}

/* Whether 'in' comes out as the engine would make it, with a right checksum
 * if that is 'good'. */
static bool
is_redirected(const struct shortcut *s, const struct bytes *in, bool good)
{
    struct bytes out, expected = *in;

    return packet_redirect(&expected, s, false) == good && !filter(in, 0)
           && ingress(in, &out, 0) == TC_ACT_REDIRECT
           && bytes_equal(&out, &expected);
}

/* Runs 'test' with a connection of either family, placed, and a packet of it
 * that is taken, before and afterwards. */
static void
with_both(void (*test)(struct shortcut *, const struct bytes *))
{
    set_up();
    for (size_t i = 0; i < 2; i++) {
        struct shortcut s = *both[i];
        struct bytes packet;

        place(&s);
        packet_make(&packet, &s, DATA, 100);
        CU_ASSERT(is_ours(&packet));
        test(&s, &packet);
        unplace(&s);
        CU_ASSERT(is_not_ours(&packet));
    }
}

static void
redirect(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet;

    CU_ASSERT(is_redirected(s, &b, true));

    /* Padding stays. */
    memset(b.p + b.n, 'p', 9);
    b.n += 9;
    CU_ASSERT(is_redirected(s, &b, true));

    /* What was broken stays so. */
    b.p[L4(s) + 16] ^= 0x5a;
    CU_ASSERT(is_redirected(s, &b, false));

    for (size_t size = 0; size < 3000; size += 37) {
        packet_make(&b, s, SEG_ACK, size);
        CU_ASSERT(is_redirected(s, &b, true));
    }
}

static void
test_redirect(void)
{
    with_both(redirect);
}

static void
randomize(void *p, size_t n)
{
    for (uint8_t *byte = p; n--; byte++) {
        *byte = unit_random();
    }
}

static void
test_random(void)
{
    set_up();
    for (int i = 0; i < 2000; i++) {
        struct shortcut s = *both[i % 2];
        size_t start = i % 2 ? 1 : 12;      /* Of what may vary. */
        struct bytes b;

        randomize(s.tuple.client.byte + start, 16 - start);
        randomize(s.tuple.service.byte + start, 16 - start);
        randomize(s.src.byte + start, 16 - start);
        randomize(s.dst.byte + start, 16 - start);
        randomize(&s.tuple.client_port, 2);
        randomize(&s.flow_id, 4);
        randomize(s.new_eth_dst, 12);
        place(&s);
        packet_make(&b, &s, SEG_ACK, unit_random() % 50);
        CU_ASSERT(is_redirected(&s, &b, true));
        unplace(&s);
    }
}

static void
flags(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet;

    for (int i = 0; i < 256; i++) {
        b.p[L4(s) + 13] = i;
        CU_ASSERT(i & SEG_SYN ? is_not_ours(&b) : is_ours(&b));
    }
}

static void
test_syn(void)
{
    with_both(flags);
}

static void
vlan(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet;

    (void) s;
    memmove(b.p + 16, b.p + 12, b.n - 12);
    memcpy(b.p + 12, "\x81\x00\x00\x05", 4);
    b.n += 4;
    CU_ASSERT(is_not_ours(&b));
}

static void
test_vlan(void)
{
    with_both(vlan);        /* Taken off by the kernel: test-shortcut-path. */
}

static void
eth_type(struct shortcut *s, const struct bytes *packet)
{
    for (int bit = 0; bit < 16; bit++) {
        struct bytes b = *packet;

        b.p[12 + bit / 8] ^= 1 << bit % 8;
        CU_ASSERT(is_not_ours(&b));
    }

    /* The other family's. */
    struct bytes b = *packet;
    memcpy(b.p + 12, address_is_v4(&s->src) ? "\x86\xdd" : "\x08\x00", 2);
    CU_ASSERT(is_not_ours(&b));
}

static void
test_eth_type(void)
{
    with_both(eth_type);
}

static void
protocol(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet;

    for (int i = 0; i < 256; i++) {
        b.p[L3 + (address_is_v4(&s->src) ? 9 : 6)] = i;
        CU_ASSERT(i == 6 ? is_ours(&b) : is_not_ours(&b));
    }
}

static void
test_protocol(void)
{
    with_both(protocol);    /* Extension headers and IPv6 fragments too. */
}

static void
version(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet;

    (void) s;
    for (int i = 0; i < 16; i++) {
        b.p[L3] = i << 4 | (packet->p[L3] & 15);
        CU_ASSERT(b.p[L3] == packet->p[L3] ? is_ours(&b) : is_not_ours(&b));
    }
}

static void
test_version(void)
{
    with_both(version);
}

static void
test_fragment(void)
{
    struct shortcut s = shortcut4;
    struct bytes b;

    set_up();
    place(&s);
    packet_make(&b, &s, DATA, 100);
    for (int bit = 0; bit < 16; bit++) {
        /* Don't fragment, and a reserved bit. */
        b.p[L3 + 6] = (1 << bit) >> 8;
        b.p[L3 + 7] = 1 << bit;
        CU_ASSERT(bit >= 14 ? is_ours(&b) : is_not_ours(&b));
    }
    unplace(&s);
}

static void
test_options(void)
{
    struct shortcut s = shortcut4;
    struct bytes b;

    set_up();
    place(&s);
    packet_make(&b, &s, DATA, 100);
    for (int ihl = 0; ihl < 16; ihl++) {
        b.p[L3] = 0x40 | ihl;
        CU_ASSERT(ihl == 5 ? is_ours(&b) : is_not_ours(&b));
    }

    /* Options as they are to be. */
    packet_make(&b, &s, DATA, 100);
    memmove(b.p + L3 + 24, b.p + L3 + 20, b.n - L3 - 20);
    memset(b.p + L3 + 20, 1, 4);
    b.n += 4;
    b.p[L3] = 0x46;
    b.p[L3 + 3] += 4;
    CU_ASSERT(is_not_ours(&b));
    unplace(&s);
}

static void
ethernet(struct shortcut *s, const struct bytes *packet)
{
    (void) s;
    for (int bit = 0; bit < 12 * 8; bit++) {
        struct bytes b = *packet;

        b.p[bit / 8] ^= 1 << bit % 8;
        CU_ASSERT(is_not_ours(&b));
    }
}

static void
test_ethernet(void)
{
    with_both(ethernet);
}

static void
tuple(struct shortcut *s, const struct bytes *packet)
{
    int start = L4(s) - (address_is_v4(&s->src) ? 8 : 32);

    for (int bit = start * 8; bit < (L4(s) + 4) * 8; bit++) {
        struct bytes b = *packet;

        b.p[bit / 8] ^= 1 << bit % 8;
        CU_ASSERT(is_not_ours(&b));
    }
}

static void
test_tuple(void)
{
    with_both(tuple);
}

static void
test_mapped(void)
{
    struct shortcut s = shortcut4;
    struct bytes b;

    /* ::ffff:a.b.c.d in IPv6 is not a.b.c.d. */
    set_up();
    place(&s);
    packet_make(&b, &shortcut6, DATA, 100);
    memcpy(b.p + L3 + 8, &s.tuple.client, 16);
    memcpy(b.p + L3 + 24, &s.tuple.service, 16);
    CU_ASSERT(is_not_ours(&b));
    unplace(&s);
}

static void
interface(struct shortcut *s, const struct bytes *packet)
{
    s->in = 2;
    CU_ASSERT(shortcut_add(s));
    CU_ASSERT(is_not_ours(packet));
    s->in = 1;
    CU_ASSERT(shortcut_add(s));
    CU_ASSERT(is_ours(packet));
}

static void
test_interface(void)
{
    with_both(interface);
}

static void
truncated(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet;
    size_t whole = packet->n;
    size_t headers = L4(s) + 32;

    /* BPF_PROG_TEST_RUN wants an IP header. */
    for (b.n = L4(s); b.n < whole; b.n++) {
        CU_ASSERT(is_not_ours(&b));
    }

    /* As short as the headers say themselves. */
    for (size_t n = L4(s); n <= whole; n++) {
        uint16_t len = htons(n - (address_is_v4(&s->src) ? L3 : L4(s)));

        memcpy(b.p + L3 + (address_is_v4(&s->src) ? 2 : 4), &len, 2);
        b.n = n;
        CU_ASSERT(n >= headers ? is_ours(&b) : is_not_ours(&b));
        b.n = whole;            /* The rest is padding. */
        CU_ASSERT(n >= headers ? is_ours(&b) : is_not_ours(&b));
    }
}

static void
test_truncated(void)
{
    with_both(truncated);
}

static void
offset(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b;

    (void) packet;
    packet_make(&b, s, DATA, 13);       /* 32 + 13 = 45 bytes of TCP. */
    for (int i = 0; i < 16; i++) {
        b.p[L4(s) + 12] = i << 4;
        CU_ASSERT(i >= 5 && i <= 11 ? is_ours(&b) : is_not_ours(&b));
    }
}

static void
test_offset(void)
{
    with_both(offset);
}

static void
big_tcp(struct shortcut *s, const struct bytes *packet)
{
    struct bytes b = *packet, out;

    memset(b.p + L3 + (address_is_v4(&s->src) ? 2 : 4), 0, 2);
    CU_ASSERT(is_not_ours(&b));
    CHECK_INT(filter(&b, 50), 0);
    CHECK_INT(ingress(&b, &out, 50), TC_ACT_REDIRECT);
}

static void
test_big_tcp(void)
{
    with_both(big_tcp);
}

static void
voided(struct shortcut *s, const struct bytes *packet)
{
    uint32_t slots[] = { s->first, s->last };

    for (int i = 0; i < 2; i++) {
        uint64_t generation = shortcut_slot_generation(slots[i]);

        shortcut_slot_void(slots[i]);
        CU_ASSERT(shortcut_slot_generation(slots[i]) > generation);
        CU_ASSERT(is_not_ours(packet));
        CU_ASSERT(shortcut_add(s));
        CU_ASSERT(is_ours(packet));
    }
}

static void
test_voided(void)
{
    with_both(voided);
}

static void
freed(struct shortcut *s, const struct bytes *packet)
{
    uint32_t *slots[] = { &s->first, &s->last };

    for (int i = 0; i < 2; i++) {
        uint32_t slot = *slots[i];
        struct shortcut_use use;

        shortcut_slot_use(slot, &use);
        CU_ASSERT(use.packets > 0);
        shortcut_slot_free(slot);
        CU_ASSERT(is_not_ours(packet));
        CU_ASSERT(!shortcut_add(s));
        shortcut_slot_void(slot);
        CU_ASSERT(!shortcut_add(s));

        /* Its next user has nothing to do with what was. */
        CHECK_INT(shortcut_slot_new(), slot);
        shortcut_slot_use(slot, &use);
        CHECK_INT(use.packets + use.bytes + use.used + use.tcp_flags, 0);
        CU_ASSERT(is_not_ours(packet));
        shortcut_slot_use(slot, &use);
        CHECK_INT(use.packets, 0);
        CU_ASSERT(shortcut_add(s));
        CU_ASSERT(is_ours(packet));
    }
}

static void
test_freed(void)
{
    with_both(freed);
}

static void
test_slots(void)
{
    static bool taken[N_SLOTS + 1];
    struct shortcut s = shortcut4;
    struct bytes b;

    set_up();
    for (int i = 0; i < N_SLOTS; i++) {
        uint32_t slot = shortcut_slot_new();

        if (!slot || slot > N_SLOTS || taken[slot]) {
            CU_FAIL_FATAL("no slot, or one that is taken");
        }
        taken[slot] = true;
    }
    CHECK_INT(shortcut_slot_new(), 0);

    /* The last works like any other, and none does not. */
    s.first = N_SLOTS;
    packet_make(&b, &s, DATA, 1);
    CU_ASSERT(!shortcut_add(&s));
    s.last = N_SLOTS;
    CU_ASSERT(shortcut_add(&s));
    CU_ASSERT(is_ours(&b));
    s.last = N_SLOTS + 1;
    CU_ASSERT(!shortcut_add(&s));
    shortcut_slot_void(0);
    shortcut_slot_free(0);
    CHECK_INT(shortcut_slot_new(), 0);

    for (int i = 1; i <= N_SLOTS; i++) {
        shortcut_slot_free(i);
    }
    CU_ASSERT(is_not_ours(&b));
    CHECK_INT(shortcut_slot_new(), N_SLOTS);
    shortcut_slot_free(N_SLOTS);
}

static uint64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

static void
check_use(const struct shortcut_use *use, uint64_t packets, uint64_t bytes,
          uint16_t tcp_flags)
{
    CHECK_INT(use->packets, packets);
    CHECK_INT(use->bytes, bytes);
    CHECK_INT(use->tcp_flags, tcp_flags);
    CU_ASSERT(packets ? now_ms() - use->used < 5000 : !use->used);
}

static void
counts(struct shortcut *s, const struct bytes *packet)
{
    struct shortcut other = *s;
    struct shortcut_use use, last;
    struct bytes in, out;

    (void) packet;
    s->first = shortcut_slot_new();
    s->last = other.last = shortcut_slot_new();
    other.first = shortcut_slot_new();
    other.tuple.client_port ^= 1;
    CU_ASSERT(shortcut_add(s) && shortcut_add(&other));
    CU_ASSERT(shortcut_find(&s->tuple, &use));
    check_use(&use, 0, 0, 0);

    packet_make(&in, s, DATA, 100);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(filter(&in, 0), 0);       /* Counts nothing. */
        CHECK_INT(ingress(&in, &out, 0), TC_ACT_REDIRECT);
    }
    packet_make(&out, &other, SEG_ACK | SEG_FIN, 0);
    out.p[L4(s) + 12] |= 1;                 /* NS. */
    CHECK_INT(ingress(&out, &out, 0), TC_ACT_REDIRECT);

    CU_ASSERT(shortcut_find(&s->tuple, &use));
    check_use(&use, 3, 3 * in.n, DATA);
    CU_ASSERT(shortcut_find(&other.tuple, &use));
    check_use(&use, 1, out.n, SEG_ACK | SEG_FIN | 0x100);
    shortcut_slot_use(s->first, &use);
    check_use(&use, 3, 3 * in.n, DATA);
    shortcut_slot_use(other.first, &use);
    check_use(&use, 1, out.n, SEG_ACK | SEG_FIN | 0x100);
    shortcut_slot_use(s->last, &last);
    check_use(&last, 4, 3 * in.n + out.n, DATA | SEG_FIN | 0x100);

    /* What was void, and what is no more, keeps its counts. */
    shortcut_slot_void(s->last);
    shortcut_slot_use(s->last, &use);
    CHECK_INT(use.packets, 4);
    CU_ASSERT(shortcut_remove(&s->tuple, &use));
    check_use(&use, 3, 3 * in.n, DATA);
    CU_ASSERT(!shortcut_remove(&s->tuple, &use));
    CU_ASSERT(!shortcut_find(&s->tuple, &use));
    CU_ASSERT(shortcut_remove(&other.tuple, &use));
    check_use(&use, 1, out.n, SEG_ACK | SEG_FIN | 0x100);
    shortcut_slot_free(other.first);
}

static void
test_counts(void)
{
    with_both(counts);
}

static void
total(struct shortcut *s, const struct bytes *packet)
{
    struct shortcut_use before, use, other;
    struct bytes out;

    shortcut_total(255, &other);
    for (int i = 0; i < 2; i++) {
        s->engine = i ? 256 : 1;
        CU_ASSERT(shortcut_add(s));
        shortcut_total(s->engine, &before);
        ingress(packet, &out, 0);
        shortcut_total(s->engine, &use);
        check_use(&use, before.packets + 1, before.bytes + packet->n,
                  before.tcp_flags | DATA);
    }
    shortcut_total(255, &use);
    check_use(&use, other.packets, other.bytes, other.tcp_flags);
    shortcut_total(257, &use);
    check_use(&use, 0, 0, 0);
}

static void
test_total(void)
{
    with_both(total);
}

static void
test_replace(void)
{
    struct shortcut s = shortcut4;
    struct shortcut_use use;
    struct bytes b, out;

    set_up();
    place(&s);
    packet_make(&b, &s, DATA, 100);
    CU_ASSERT(is_redirected(&s, &b, true));
    s.flow_id++;
    s.dst.byte[15]++;
    CU_ASSERT(shortcut_add(&s));
    CU_ASSERT(shortcut_find(&s.tuple, &use));
    check_use(&use, 0, 0, 0);
    CU_ASSERT(is_redirected(&s, &b, true));
    ingress(&b, &out, 0);
    CU_ASSERT(shortcut_find(&s.tuple, &use));
    check_use(&use, 2, 2 * b.n, DATA);
    unplace(&s);
}

/* Without root. */
static int
fail_to_open(void)
{
    char text[200];

    shortcut_close();
    if (setresuid(65534, 65534, 65534) || shortcut_open() != EPERM) {
        return 1;
    }
    strcpy(text, shortcut_error());
    return (shortcut_open() != EPERM
            || strcmp(text, shortcut_error())
            || strcmp(text, "loading the BPF programs: Operation not "
                      "permitted (needs CAP_BPF and CAP_NET_ADMIN)")
            || shortcut_filter() != -1
            || shortcut_slot_new());
}

static void
test_no_root(void)
{
    int status = -1;
    pid_t pid;

    set_up();
    pid = fork();
    if (!pid) {
        _exit(fail_to_open());
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
}

static void
test_closed(void)
{
    struct shortcut s = shortcut4;
    struct shortcut_use use;

    set_up();
    place(&s);
    shortcut_close();
    CHECK_INT(shortcut_filter(), -1);
    CHECK_INT(shortcut_ingress(), -1);
    CHECK_INT(shortcut_slot_new(), 0);
    CU_ASSERT(!shortcut_add(&s));
    CU_ASSERT(!shortcut_find(&s.tuple, &use));
    CU_ASSERT(!shortcut_remove(&s.tuple, &use));
    CU_ASSERT(shortcut_attach(1, -1) < 0);
    shortcut_slot_void(s.first);
    shortcut_slot_free(s.first);
    shortcut_slot_use(s.first, &use);
    check_use(&use, 0, 0, 0);
    shortcut_total(1, &use);
    check_use(&use, 0, 0, 0);
    shortcut_close();

    /* Opened again, it begins anew. */
    CHECK_INT(shortcut_open(), 0);
    CHECK_INT(shortcut_open(), 0);
    CHECK_STR(shortcut_error(), "");
    CU_ASSERT(!shortcut_find(&s.tuple, &use));
    CHECK_INT(shortcut_slot_new(), 1);
    shortcut_slot_free(1);
}

static const struct unit_test tests[] = {
    { "redirect", test_redirect },
    { "random", test_random },
    { "SYN", test_syn },
    { "VLAN", test_vlan },
    { "Ethernet type", test_eth_type },
    { "protocol", test_protocol },
    { "version", test_version },
    { "fragment", test_fragment },
    { "IPv4 options", test_options },
    { "Ethernet addresses", test_ethernet },
    { "tuple", test_tuple },
    { "mapped addresses", test_mapped },
    { "interface", test_interface },
    { "truncated", test_truncated },
    { "data offset", test_offset },
    { "BIG TCP", test_big_tcp },
    { "voided slot", test_voided },
    { "freed slot", test_freed },
    { "all slots", test_slots },
    { "counts", test_counts },
    { "totals", test_total },
    { "replace", test_replace },
    { "no root", test_no_root },
    { "closed", test_closed },
    { NULL, NULL },
};

const struct unit_suite unit_suite = { "shortcut", tests };
