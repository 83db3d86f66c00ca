/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"
#include "xalloc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names of the engine's hosts, in order, with a space behind each. */
static const char *
host_names(void)
{
    static char names[256];
    const struct host *host;
    size_t at = 0;

    names[0] = '\0';
    while ((host = migrate_next_host(bed.engine, &at))) {
        strcat(names, host->name);
        strcat(names, " ");
    }
    return names;
}

/* Leaves only host 'i' in the configuration. */
static void
configure_only(unsigned int i)
{
    bed.config.hosts = &bed.host_configs[i];
    bed.config.n_hosts = 1;
    bed.members[0].host = 0;
    bed.pools[0].n_members = 1;
    bed.pools[1].members = bed.members;
    bed_configure();
}

/* Before it is configured the engine does nothing, and says so. */
static void
test_unconfigured(void)
{
    static const uint8_t seed[16];
    uint8_t data[60] = { 0 };
    struct frame frame = { .data = data, .len = sizeof data };
    struct migrate *m = migrate_create(NULL, NULL, 10, seed);
    size_t at = 0;

    migrate_run(m, 0, 0);
    CHECK_INT(migrate_deadline(m), TIMERS_NEVER);
    CHECK_INT(migrate_control_frame(m, &frame, 0), MIGRATE_DROP);
    CHECK_INT(migrate_service_frame(m, 1, &frame, 0), MIGRATE_DROP);
    CU_ASSERT(!migrate_next_service(m, &at));
    CU_ASSERT(!migrate_next_host(m, &at));
    migrate_destroy(m);
    migrate_destroy(NULL);
}

/* A migration address of each family serves clients of each, by hosts of their
 * own family. */
static void
test_two_families(void)
{
    struct bed_client four, six;
    struct {
        struct migrate_header header;
        struct migrate_hello hello;
        struct migrate_vip vips[1];
    } hello;
    unsigned int host;

    bed_open(4, 64);
    four = bed_client(0, BED_HTTP);
    six = bed_client(1, BED_HTTP);
    address_parse("2001:db8:2::1", &six.tuple.client);
    address_parse("2001:db8:1::1", &six.tuple.service);
    CHECK_INT(bed_segment(&six, SEG_SYN, six.isn, NULL, 0), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_FAMILY), 1);
    CHECK_INT(BED_COUNT(SYN), 0);
    bed_expect_none();
    bed_live(&four, &host);

    /* h2 becomes one of IPv6, as are all that the bed sees from here on. */
    address_parse("2001:db8::fe", &bed.config.address6);
    address_parse("2001:db8::12", &bed.host_configs[1].address);
    bed.hosts[1].address = bed.host_configs[1].address;
    bed.address = bed.config.address6;
    bed.hosts[0].alive = bed.hosts[2].alive = false;
    bed_configure();
    bed_wait(1);
    for (int i = 0; i < 3; i++) {
        six.isn++;
        bed_live(&six, &host);
        CHECK_INT(host, 1);
    }
    CHECK_INT(bed_text(&six, "x"), MIGRATE_FORWARD);
    CU_ASSERT(address_equals(&bed.forwarded->packet.src, &bed.address));
    CHECK_INT(bed_text(&four, "x"), MIGRATE_FORWARD);
    CU_ASSERT(address_equals(&bed.forwarded->packet.src,
                             &bed.config.address4));

    /* Hosts are told of addresses of their own family. */
    bed_clear();
    bed.keep_hellos = true;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    while (TAILQ_FIRST(&bed.frames)->packet.family != 6) {
        free(bed_take());
    }
    CHECK_INT(bed_expect_message(MIGRATE_HELLO, &hello, sizeof hello), 1);
    CHECK_INT(ntohs(hello.header.count), 1);
    CU_ASSERT(address_equals(&hello.vips[0].address, &six.tuple.service));
    bed_clear();

    /* Without an address of the family nothing can be said in it. */
    memset(&bed.config.address6, 0, sizeof bed.config.address6);
    configure_only(0);
    CHECK_INT(bed_text(&six, "x"), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_NO_HOST), 1);
    bed_close();
}

/* No cookie is given out before there is a secret. */
static void
test_first_run(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed.engine->secrets.ready = false;
    bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
    bed_expect_none();
    CHECK_INT(BED_COUNT(DROP_NO_SERVICE), 1);
    bed_wait(MIGRATE_HELLO_INTERVAL);
    bed_connect(&c);
    bed_close();
}

/* Connections go on at a host that is not configured any more; it gets no new
 * one, and is dropped with the last of them. */
static void
test_host_leaves(void)
{
    struct bed_client c, other;
    uint32_t flow_id;
    unsigned int host;

    bed_open(4, 64);
    CHECK_STR(host_names(), "h1 h2 h3 ");
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    CHECK_INT(host, 0);
    configure_only(1);
    CHECK_STR(host_names(), "h1 h2 ");      /* h3 had none. */
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(bed_text(&c, "more"), MIGRATE_FORWARD);
    CU_ASSERT(address_equals(&bed.forwarded->packet.dst,
                             &bed.hosts[0].address));
    for (unsigned int n = 1; n < 5; n++) {
        struct bed_bundle b;

        other = bed_client(n, BED_HTTP);
        bed_request(&other, NULL);
        b = bed_expect_bundle();
        CHECK_INT(b.host, 1);
        bed_bundle_free(&b);
    }

    bed_report(0, flow_id, MIGRATE_RELEASE, 0, 0);  /* It is heard still. */
    CHECK_STR(bed_state(&c), "linger");
    CHECK_STR(host_names(), "h1 h2 ");
    bed_wait(MIGRATE_LINGER + SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_STR(host_names(), "h2 ");
    bed_close();
}

/* A host that stays keeps what is known of it. */
static void
test_host_stays(void)
{
    struct bed_client c;
    const struct host *h;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, &host);
    h = migrate_record_host(bed.engine, bed_record(&c));
    configure_only(host);
    CU_ASSERT(migrate_record_host(bed.engine, bed_record(&c)) == h);
    CU_ASSERT(h->up && h->mac_known && h->configured);
    CHECK_INT(h->n_connections, 1);
    CHECK_INT(h->n_handoffs, 1);
    bed_close();
}

/* A bundle under way when the configuration changes. */
static void
test_configure_while_offered(void)
{
    struct bed_client c;
    struct bed_bundle b;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    host = b.host;
    configure_only((host + 1) % BED_HOSTS);
    bed_wait(50);
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    CHECK_INT(b.host, host);
    bed_report(host, b.flow_id, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG, 0);
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    CHECK_INT(b.host, (host + 1) % BED_HOSTS);
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    bed_close();
}

/* A request that began under an old configuration is never sent to a host
 * that was not in the pool it selects, whatever came since. */
static void
test_configure_while_gathering(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "GET /images HTTP/1.1\r\n");   /* Pool "h3". */

    /* h3 goes; then "blue" comes, for another service, and is up. */
    bed.services[0].n_rules = 0;
    bed.pools[0].n_members = 2;
    bed.pools[1].n_members = 0;
    bed.config.n_hosts = 2;
    bed_configure();
    bed.config.n_hosts = 3;
    bed.host_configs[2].name = (char *) "blue";
    address_parse("10.0.0.77", &bed.host_configs[2].address);
    bed.hosts[2].address = bed.host_configs[2].address;
    bed_configure();
    bed_wait(500);
    CHECK_STR(bed.last_log, "host blue is up");
    bed_clear();

    bed_text(&c, "\r\n");
    CHECK_STR(bed_state(&c), "rejected");
    CHECK_INT(BED_COUNT(BUNDLE), 0);
    bed_wait(3000);
    CHECK_INT(strlen(host_names()), strlen("h1 h2 blue "));
    bed_close();
}

/* Live connections of a service that is not configured any more. */
static void
test_service_leaves(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    bed.config.services = &bed.services[1];
    bed.config.n_services = 2;
    bed_configure();
    CHECK_INT(bed_text(&c, "more"), MIGRATE_FORWARD);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(bed.engine->hosts[host]->n_connections, 0);

    c = bed_client(1, BED_HTTP);
    bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
    CHECK_INT(BED_COUNT(DROP_NO_SERVICE), 1);
    bed_expect_none();
    bed_close();
}

/* Whatever is wrong with a configuration, the one before stays. */
static void
test_bad_configuration(void)
{
    struct bed_client c;
    struct host_config *many;
    struct bed_bundle b;
    char *error;

    bed_open(4, 64);
    bed.services[1].id = BED_HTTP;
    error = migrate_configure(bed.engine, &bed.config, bed.now);
    CU_ASSERT(error && strstr(error, "both have id 1"));
    free(error);

    bed.services[1].id = BED_TCP;
    bed.host_configs[2].address = bed.host_configs[0].address;
    error = migrate_configure(bed.engine, &bed.config, bed.now);
    CU_ASSERT(error && strstr(error, "hosts \"h1\" and \"h3\" have the same "
                              "address"));
    free(error);

    many = xcalloc(HOST_MAX + 1, sizeof *many);
    for (size_t i = 0; i <= HOST_MAX; i++) {
        many[i].name = (char *) "many";
        many[i].address = address_from_v4(htonl(0x0a010000 + i));
    }
    bed.config.hosts = many;
    bed.config.n_hosts = HOST_MAX + 1;
    error = migrate_configure(bed.engine, &bed.config, bed.now);
    CU_ASSERT(error && strstr(error, "more than 8192 hosts"));
    free(error);
    free(many);

    CHECK_STR(host_names(), "h1 h2 h3 ");
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    bed_close();
}

/* The same while there is a request that began under the one before that. */
static void
test_bad_configuration_while_gathering(void)
{
    struct bed_client c;
    struct bed_bundle b;
    char *error;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "GET / HTTP/1.1\r\n");
    bed_configure();
    bed.host_configs[1].name = (char *) "new";
    address_parse("10.0.0.77", &bed.host_configs[1].address);
    bed.host_configs[2].address = bed.host_configs[0].address;
    error = migrate_configure(bed.engine, &bed.config, bed.now);
    CU_ASSERT(error && strstr(error, "the same address"));
    free(error);
    CHECK_STR(host_names(), "h1 h2 h3 ");
    bed_text(&c, "\r\n");
    b = bed_only_bundle();
    bed_bundle_free(&b);
    bed_close();
}

/* A host may be renamed; the place of one that left is used again. */
static void
test_names_and_places(void)
{
    bed_open(4, 64);
    bed.host_configs[1].name = (char *) "other";
    bed_configure();
    CHECK_STR(host_names(), "h1 other h3 ");
    CU_ASSERT(bed.engine->hosts[1]->up);
    for (int i = 0; i < 10; i++) {
        address_parse("10.0.0.100", &bed.host_configs[1].address);
        bed.host_configs[1].address.byte[15] += i;
        bed_configure();
    }
    CU_ASSERT(bed.engine->n_hosts <= 5);
    CU_ASSERT(!bed.engine->hosts[1] || !bed.engine->hosts[1]->up);
    bed_close();
}

/* As many hosts as there may be are found by their addresses, and those that
 * have left are not. */
static void
test_many_hosts(void)
{
    struct host_config *many = xcalloc(HOST_MAX, sizeof *many);

    bed_open(4, 64);
    for (size_t i = 0; i < HOST_MAX; i++) {
        many[i].name = (char *) "many";
        many[i].address = address_from_v4(htonl(0x0a010000 + i));
    }
    bed.pools[0].n_members = bed.pools[1].n_members = 0;
    bed.config.n_hosts = 0;     /* The bed's leave. */
    bed_configure();
    bed.config.hosts = many;
    bed.config.n_hosts = HOST_MAX;
    bed_configure();
    for (size_t step = 0; step < 3; step++) {
        size_t half = HOST_MAX / 2;
        size_t from = step == 1 ? half : 0;

        for (size_t i = 0; i < HOST_MAX; i++) {
            struct migrate_address a = address_from_v4(htonl(0x0a010000 + i));
            struct host *host = engine_find_host(bed.engine, &a);

            CHECK_INT(host != NULL, i >= from);
            if (host) {
                CU_ASSERT(address_equals(&host->address, &a));
                CU_ASSERT(bed.engine->hosts[host->index] == host);
            }
        }
        bed.config.hosts = step ? many : many + half;
        bed.config.n_hosts = step ? HOST_MAX : half;
        bed_configure();
    }
    CHECK_INT(bed.engine->n_hosts, HOST_MAX);
    CHECK_INT(bed.engine->n_gone, 0);
    free(many);
    bed_close();
}

/* Counts of services go on. */
static void
test_counts_stay(void)
{
    const struct service *s;
    struct bed_client c;
    size_t at = 0;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, NULL);
    bed_configure();
    s = migrate_next_service(bed.engine, &at);
    CHECK_INT(s->id, BED_HTTP);
    CHECK_INT(s->n_connections, 1);
    CHECK_INT(s->n_handoffs, 1);
    bed_close();
}

/* A record whose connection is never heard of again, nor its host's agent, is
 * dropped some day. */
static void
test_idle(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, NULL);
    bed.now += IDLE_TIMEOUT;
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_STR(bed_state(&c), "live");   /* By an audit it would be heard. */
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].mute = true;
    }
    bed_text(&c, "still here");
    bed_wait(1000);
    bed.now += IDLE_TIMEOUT - SWEEP_ROUND - 1200;
    bed_wait(SWEEP_ROUND);
    CHECK_STR(bed_state(&c), "live");
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL + 200);
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(BED_COUNT(IDLE), 1);
    bed_close();
}

/* Records are gone in the end, memory is returned, and nothing stays due but
 * hellos. */
static void
test_nothing_left(void)
{
    size_t before;

    bed_open(4, 64);
    before = migrate_memory(bed.engine);
    for (unsigned int n = 0; n < 20; n++) {
        struct bed_client c = bed_client(n, BED_HTTP);
        unsigned int host;
        uint32_t flow_id = bed_live(&c, &host);

        bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    }
    CHECK_INT(migrate_connection_count(bed.engine), 20);
    bed_wait(MIGRATE_LINGER + SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    CU_ASSERT(migrate_memory(bed.engine)
              <= before + 1024 * sizeof(struct record));
    CHECK_INT(bed.engine->timers.n, 0);
    CHECK_INT(migrate_deadline(bed.engine), bed.engine->next_hello);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        CHECK_INT(bed.engine->hosts[i]->n_records, 0);
        CHECK_INT(bed.engine->hosts[i]->n_connections, 0);
    }
    bed_close();
}

static void
test_names(void)
{
    for (int i = 0; i < N_COUNTERS; i++) {
        CU_ASSERT(migrate_counter_name(i) && *migrate_counter_name(i));
        CU_ASSERT(migrate_counter_text(i) && *migrate_counter_text(i));
        for (int j = 0; j < i; j++) {
            CU_ASSERT(strcmp(migrate_counter_name(i),
                             migrate_counter_name(j)));
        }
    }
}

static const struct unit_test tests[] = {
    { "not configured", test_unconfigured },
    { "two families", test_two_families },
    { "before the first run", test_first_run },
    { "host leaves when unused", test_host_leaves },
    { "host that stays is kept", test_host_stays },
    { "configuration changes while offered", test_configure_while_offered },
    { "configuration changes while gathering",
      test_configure_while_gathering },
    { "service leaves", test_service_leaves },
    { "bad configuration changes nothing", test_bad_configuration },
    { "... while gathering", test_bad_configuration_while_gathering },
    { "names and places of hosts", test_names_and_places },
    { "many hosts", test_many_hosts },
    { "counts stay", test_counts_stay },
    { "idle records", test_idle },
    { "nothing is left", test_nothing_left },
    { "counters have names", test_names },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "migrate", tests };
