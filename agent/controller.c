/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "controller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "util.h"

static char complaint[512];     /* The last one. */

void
controller_init(struct rest_options *options)
{
    options->connect_msec = 1000;
    options->answer_msec = 2000;
    options->answer_max = 65536;
    if (!rest_init(options)) {
        log_error("libcurl does not work");
        exit(EXIT_SYSTEM);
    }
}

static void
complain(const char *what)
{
    char line[sizeof complaint];
    int len;
    const char *url = rest_url(&len);

    snprintf(line, sizeof line, "%.*s: %s", len, url, what);
    if (strcmp(line, complaint)) {
        strcpy(complaint, line);
        log_warn("%s", line);
    }
}

long
controller_post(const char *path, const json_t *body, json_t **json)
{
    int len;
    const char *first = rest_url(&len);
    struct rest_answer answer;

    do {
        rest_ask("POST", path, body, NULL, &answer);
        if (answer.status == 200 || answer.status == 201) {
            complaint[0] = '\0';
            *json = answer.json;
            return answer.status;
        } else if (answer.status) {
            char *problem = rest_problem(&answer, 0);

            complain(problem);
            free(problem);
        } else {
            complain(answer.error);
        }
        json_decref(answer.json);
        rest_turn();
    } while (rest_url(&len) != first);
    *json = NULL;
    return 0;
}
