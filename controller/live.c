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
    struct json *items, *answer;
    struct view view;
    char *last;

    if (!view_init(&view, "paths", filters, request)) {
        return;
    }
    items = paths_create(live, &view, &last);
    answer = view_answer(&view, items, last);
    reply_json(request, 200, "application/json", answer, NULL);
    json_destroy(answer);
    free(last);
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
