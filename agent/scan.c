/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "scan.h"

#include <bpf/bpf.h>
#include <errno.h>

void
scan_run(struct scan *s, const struct migrator *m,
         void (*each)(__be32 flow_id, const struct mapping *, void *aux), void *aux)
{
    static __be32 keys[SCAN_PIECE];
    static struct mapping values[SCAN_PIECE];
    DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, opts);
    uint32_t n = SCAN_PIECE, next;
    int error;

    error = bpf_map_lookup_batch(m->mappings_fd,
                                 s->started ? &s->cursor : NULL, &next, keys,
                                 values, &n, &opts);
    if (error) {
        /* ENOENT: that was all.  Anything else: not this time. */
        s->done = true;
        if (errno != ENOENT) {
            s->failed = true;
            return;
        }
    }
    s->started = true;
    s->cursor = next;
    for (uint32_t i = 0; i < n; i++) {
        each(keys[i], &values[i], aux);
    }
}
