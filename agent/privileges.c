/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "log.h"
#include "util.h"

/* CAP_SYS_ADMIN is wanted besides where the run directory is not there yet, for
 * its mount, or has lost its pins: rundir.c and heritage.c say so then. */
static const struct {
    unsigned int number;
    const char *name;
} needed[] = {
    { CAP_NET_ADMIN, "CAP_NET_ADMIN" },
    { CAP_PERFMON, "CAP_PERFMON" },
    { CAP_BPF, "CAP_BPF" },
};

#define KEPT CAP_NET_ADMIN      /* Routes, filters, ending of sockets. */

bool
privileges_check(void)
{
    bool ok = true;

    capng_get_caps_process();
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].number)) {
            log_error("capability %s is missing: run the agent as root",
                      needed[i].name);
            ok = false;
        }
    }
    return ok;
}

/* Keeps the capability 'kept' alone, or none if that is negative. */
static bool
keep(int kept)
{
    capng_select_t select = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

    /* Without that one the bounding set stays as it is, but the next step
     * makes it all the same. */
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
        select |= CAPNG_SELECT_BOUNDS;
    }
    capng_clear(CAPNG_SELECT_ALL);
    if (kept >= 0) {
        capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED
                     | CAPNG_BOUNDING_SET, kept);
    }
    if (capng_apply(select)
        || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        log_error("cannot drop privileges: %s", strerror(errno));
        return false;
    }
    return true;
}

bool
privileges_drop(void)
{
    return keep(KEPT);
}

bool
privileges_drop_all(void)
{
    capng_get_caps_process();
    return keep(-1);
}
