/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "live.h"

#include <stdlib.h>
#include <string.h>

#include "census.h"
#include "openvswitch/json.h"
#include "paths.h"
#include "reply.h"
#include "util.h"
#include "view.h"

bool
live_has(const char *path)
{
    return (!strcmp(path, "connections") || !strcmp(path, "decisions")
            || !strcmp(path, "paths"));
}

static void
reply_paths(const struct live *live, struct http_request *request)
{
    static const char *const filters[] = { "switch", "host", "to", NULL };
    struct json *all, *items, *answer;
    const char *last = NULL;
    bool more = false;
    struct view view;

    if (!view_init(&view, "paths", filters, request)) {
        return;
    }
    all = paths_create(live);
    items = json_array_create_empty();
    for (size_t i = 0; i < json_array(all)->n; i++) {
        struct json *item = json_array(all)->elems[i];
        const char *name = json_string(shash_find_data(json_object(item),
                                                       "name"));

        if (!view_wants(&view, item)
            || (view.after && strcmp(name, view.after) <= 0)) {
            continue;
        } else if (json_array(items)->n == view.limit) {
            more = true;
            break;
        }
        json_array_add(items, json_clone(item));
        last = name;
    }
    answer = view_answer(&view, items, more ? last : NULL);
    reply_json(request, 200, "application/json", answer, NULL);
    json_destroy(answer);
    json_destroy(all);
    view_uninit(&view);
}

void
live_handle(const struct live *live, struct http_request *request,
            const char *path)
{
    if (!live->active) {
        reply_refusal(request, 503, "ask the active controller, which "
                      "\"GET /v1/fabric\" names", "this controller is not "
                      "the active one, and does not know");
    } else if (!strcmp(path, "connections")) {
        census_handle_connections(live->census, request);
    } else if (!strcmp(path, "decisions")) {
        census_handle_decisions(live->census, live->decider, request);
    } else {
        reply_paths(live, request);
    }
}
