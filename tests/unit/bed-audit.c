/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

/* What hosts are asked in audits, and tests answer for them. */

struct bed_client
bed_old_client(unsigned int n)
{
    struct bed_client c = bed_client(n, BED_HTTP);

    c.ack = 0x51000000 + n;
    return c;
}

void
bed_audit_all(void)
{
    bed.keep_audits = true;
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed_engine_host(i)->audit.next = 0;
    }
    bed.engine->next_hello = bed.now;
    bed_wait(0);
}

void
bed_audit(unsigned int host, const struct migrate_mapping *maps, unsigned int n)
{
    bed_audit_all();
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        uint32_t after;
        unsigned int asked = bed_expect_audit(&after);

        CHECK_INT(after, 0);
        if (asked == host) {
            bed_mappings(asked, 0, true, maps, n);
        } else {
            bed_mappings(asked, 0, true, NULL, 0);
        }
    }
    bed.keep_audits = false;
}

void
bed_open_silent(void)
{
    bed_open(4, 64);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].alive = false;
    }
    bed_restart();
    bed.keep_audits = true;
    bed_clear();
}

void
bed_wake(unsigned int i)
{
    bed.hosts[i].alive = true;
    while (!bed_engine_host(i)->up) {
        bed_wait(1);
        CU_ASSERT_FATAL(bed.now < 10000000);
    }
}
