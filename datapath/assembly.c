/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "assembly.h"

#include <stdlib.h>
#include <string.h>

void
assembly_init(struct assembly *a)
{
    a->data = NULL;
    a->allocated = a->len = a->n_ranges = 0;
}

void
assembly_uninit(struct assembly *a)
{
    free(a->data);
}

/* Makes room for bytes up to offset 'to'. */
static bool
reserve(struct assembly *a, uint32_t to)
{
    uint32_t size = a->allocated ? a->allocated : to;
    char *data;

    if (to <= a->allocated) {
        return true;
    }
    while (size < to) {
        size *= 2;
    }
    data = realloc(a->data, size);
    if (!data) {
        return false;
    }
    a->data = data;
    a->allocated = size;
    return true;
}

/* Copies the parts of [ofs, to) that are not there yet. */
static void
copy_missing(struct assembly *a, uint32_t ofs, uint32_t to, const char *data)
{
    uint32_t at = ofs > a->len ? ofs : a->len;

    for (uint32_t i = 0; i <= a->n_ranges && at < to; i++) {
        uint32_t gap_end = i < a->n_ranges ? a->ranges[i].from : to;
        uint32_t end = gap_end < to ? gap_end : to;

        if (at < end) {
            memcpy(a->data + at, data + (at - ofs), end - at);
        }
        if (i < a->n_ranges && at < a->ranges[i].to) {
            at = a->ranges[i].to;
        }
    }
}

/* Whether [from, to) continues what is in order, meets a range, or has room as
 * one more. */
static bool
ranges_fit(const struct assembly *a, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < a->n_ranges; i++) {
        if (a->ranges[i].from <= to && from <= a->ranges[i].to) {
            return true;
        }
    }
    return from <= a->len || a->n_ranges < ASSEMBLY_MAX_RANGES;
}

/* Adds [from, to) to the ranges, joined with those that it meets. */
static void
insert_range(struct assembly *a, uint32_t from, uint32_t to)
{
    struct assembly_range *r = a->ranges;
    uint32_t first, last;

    for (first = 0; first < a->n_ranges && r[first].to < from; first++) {
        continue;
    }
    for (last = first; last < a->n_ranges && r[last].from <= to; last++) {
        from = r[last].from < from ? r[last].from : from;
        to = r[last].to > to ? r[last].to : to;
    }
    memmove(&r[first + 1], &r[last], (a->n_ranges - last) * sizeof *r);
    a->n_ranges += 1 - (last - first);
    r[first].from = from;
    r[first].to = to;
}

bool
assembly_add(struct assembly *a, uint32_t ofs, const void *data, uint32_t n)
{
    struct assembly_range *r = a->ranges;
    uint32_t to;

    if (ofs >= ASSEMBLY_MAX) {
        return true;
    }
    to = n > ASSEMBLY_MAX - ofs ? ASSEMBLY_MAX : ofs + n;
    if (to <= a->len) {
        return true;
    }
    if (!reserve(a, to)) {
        return false;
    }
    if (ofs <= a->len && !a->n_ranges) {    /* The usual case. */
        memcpy(a->data + a->len, (const char *) data + (a->len - ofs),
               to - a->len);
        a->len = to;
        return true;
    }

    if (!ranges_fit(a, ofs, to)) {
        return false;
    }
    copy_missing(a, ofs, to, data);
    insert_range(a, ofs > a->len ? ofs : a->len, to);
    if (r[0].from <= a->len) {
        a->len = r[0].to;
        a->n_ranges--;
        memmove(&r[0], &r[1], a->n_ranges * sizeof *r);
    }
    return true;
}
