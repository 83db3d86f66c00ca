/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-text.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "svec.h"
#include "util.h"

void
flow_text_read(struct flow_table *ft, const char *text)
{
    char *copy = xstrdup(text), *save = NULL;

    flow_table_init(ft);
    for (char *line = strtok_r(copy, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "group", 5)) {
            flow_table_add_group(ft, "%s", line);
        } else {
            flow_table_add_flow(ft, "%s", line);
        }
    }
    free(copy);
}

char *
flow_text_lines(const struct flow_table *ft)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct svec sorted = SVEC_EMPTY_INITIALIZER;
    char *save = NULL, *text;

    flow_table_format(ft, &s);
    for (char *line = strtok_r(ds_cstr(&s), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        svec_add(&sorted, line);
    }
    svec_sort(&sorted);
    text = svec_join(&sorted, "\n", "");
    svec_destroy(&sorted);
    ds_destroy(&s);
    return text;
}
