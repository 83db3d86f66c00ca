/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "util.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
die(int status, const char *fmt, ...)
{
    va_list args;

    fputs("ovs-migratectl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    putc('\n', stderr);
    exit(status);
}

char *
harmless(const char *s)
{
    char *copy = xasprintf("%s", s);
    unsigned char before = 0;

    for (unsigned char *p = (unsigned char *) copy; *p; p++) {
        bool c1 = before == 0xc2 && *p >= 0x80 && *p < 0xa0;

        before = *p;
        if (*p < ' ' || *p == 0x7f) {
            *p = '?';
        } else if (c1) {
            p[-1] = *p = '?';
        }
    }
    return copy;
}

static char *
object_text(const json_t *object)
{
    char *text = xasprintf("%s", "");
    const char *key;
    json_t *value;

    json_object_foreach((json_t *) object, key, value) {
        char *name = harmless(key);
        char *value_text = json_text(value);
        char *longer = xasprintf("%s%s%s=%s", text, *text ? "," : "", name,
                                 value_text);

        free(name);
        free(value_text);
        free(text);
        text = longer;
    }
    return text;
}

char *
time_text(long long msec)
{
    time_t seconds = msec / 1000;
    char text[32] = "";

    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime(&seconds));
    return xasprintf("%s", text);
}

char *
member_text(const json_t *object, const char *name)
{
    size_t len = strcspn(name, ".");
    const json_t *value = json_object_getn(object, name, len);

    return (name[len] ? member_text(value, name + len + 1)
            : !strcmp(name, "time") && json_is_integer(value)
            ? time_text(json_integer_value(value)) : json_text(value));
}

/* The elements with 'separator' between them; what can be taken instead of
 * each other, arrays in an array, with "|". */
static char *
array_text(const json_t *array, const char *separator)
{
    char *text = xasprintf("%s", "");
    const json_t *value;
    size_t i;

    json_array_foreach(array, i, value) {
        char *value_text = (json_is_array(value) ? array_text(value, "|")
                            : json_text(value));
        char *longer = xasprintf("%s%s%s", text, i ? separator : "",
                                 value_text);

        free(value_text);
        free(text);
        text = longer;
    }
    return text;
}

char *
json_text(const json_t *value)
{
    if (json_is_object(value)) {
        return object_text(value);
    } else if (json_is_array(value)) {
        return array_text(value, ", ");
    } else if (json_is_string(value)) {
        return harmless(json_string_value(value));
    } else if (!value || json_is_null(value)) {
        return xasprintf("%s", "");
    } else {
        return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    }
}
