/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "agents.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

/* For so long a new active controller waits for agents to find it. */
#define GRACE_MSEC 6000

void
agents_init(struct agents *a)
{
    hmap_init(&a->all);
    a->active = false;
    a->since = 0;
}

void
agent_words_uninit(struct agent_words *words)
{
    free(words->version);
    free(words->kernel);
    free(words->addresses);
}

static void
clear(struct agents *a)
{
    struct agent *agent;

    HMAP_FOR_EACH_SAFE (agent, node, &a->all) {
        hmap_remove(&a->all, &agent->node);
        agent_words_uninit(&agent->words);
        free(agent->name);
        free(agent);
    }
}

void
agents_uninit(struct agents *a)
{
    clear(a);
    hmap_destroy(&a->all);
}

void
agents_set_active(struct agents *a, bool active)
{
    clear(a);
    a->active = active;
    a->since = time_msec();
}

static struct agent *
find(const struct agents *a, const char *name)
{
    struct agent *agent;

    HMAP_FOR_EACH_WITH_HASH (agent, node, hash_string(name, 0), &a->all) {
        if (!strcmp(agent->name, name)) {
            return agent;
        }
    }
    return NULL;
}

void
agents_hear(struct agents *a, const char *name,
            const struct agent_words *words)
{
    struct agent *agent = find(a, name);

    if (!agent) {
        agent = xzalloc(sizeof *agent);
        agent->name = xstrdup(name);
        hmap_insert(&a->all, &agent->node, hash_string(name, 0));
    }
    agent_words_uninit(&agent->words);
    agent->words = *words;
    agent->heard = time_msec();
}

const struct agent *
agents_find(const struct agents *a, const char *name)
{
    const struct agent *agent = find(a, name);

    return agent && agent->words.state != AGENT_LEFT ? agent : NULL;
}

const char *
agents_state(const struct agents *a, const char *name,
             const struct smap *status)
{
    const struct agent *agent = find(a, name);
    const char *old = smap_get(status, "agent");

    if (!agent) {
        return old && time_msec() >= a->since + GRACE_MSEC ? "lost" : old;
    } else if (agent->words.state == AGENT_LEFT) {
        return NULL;
    } else if (time_msec() >= agent->heard + AGENTS_LOST_MSEC) {
        /* If a host was deleted and created again, its agent is not. */
        return old ? "lost" : NULL;
    }
    return agent->words.state == AGENT_UP ? "up" : "stopped";
}
