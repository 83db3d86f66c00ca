/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tally.h"

#include <stdlib.h>

#include "util.h"

void
tally_init(struct tally *t)
{
    shash_init(&t->hosts);
    shash_init(&t->services);
}

void
tally_destroy(struct tally *t)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &t->hosts) {
        const struct tally_host *host = node->data;

        free(host->mac);
    }
    shash_destroy_free_data(&t->hosts);
    shash_destroy_free_data(&t->services);
}

void
tally_swap(struct tally *a, struct tally *b)
{
    shash_swap(&a->hosts, &b->hosts);
    shash_swap(&a->services, &b->services);
}

/* The element of 'shash' for 'name', of 'size' bytes. */
static void *
find(struct shash *shash, const char *name, size_t size)
{
    void *element = shash_find_data(shash, name);

    if (!element) {
        element = xzalloc(size);
        shash_add(shash, name, element);
    }
    return element;
}

struct tally_host *
tally_host(struct tally *t, const char *name)
{
    return find(&t->hosts, name, sizeof(struct tally_host));
}

struct tally_service *
tally_service(struct tally *t, const char *name)
{
    return find(&t->services, name, sizeof(struct tally_service));
}
