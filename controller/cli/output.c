/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "output.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "util.h"

#define CELL_MAX 60             /* Characters shown in a table. */

void
output_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_INDENT(2));

    puts(text);
    free(text);
}

/* The text of 'item' in column number 'i', cut if it is long, but for the last
 * one. */
static char *
cell(const json_t *item, const json_t *columns, size_t i)
{
    char *text = member_text(item, json_string_value(
        json_array_get(columns, i)));

    if (strlen(text) > CELL_MAX && i + 1 < json_array_size(columns)) {
        strcpy(&text[CELL_MAX - 3], "...");
    }
    return text;
}

static void
print_cell(const char *text, size_t width, bool last)
{
    if (last) {
        puts(*text ? text : "-");
    } else {
        printf("%-*s  ", (int) width, *text ? text : "-");
    }
}

/* What is above column number 'i': the name of the member, or, if there are
 * several called so, the whole. */
static const char *
title(const json_t *columns, size_t i)
{
    const char *name = json_string_value(json_array_get(columns, i));
    const char *dot = strchr(name, '.');
    const json_t *column;
    size_t j;

    if (!dot) {
        return name;
    }
    json_array_foreach(columns, j, column) {
        if (!strcmp(json_string_value(column), dot + 1)) {
            return name;
        }
    }
    return dot + 1;
}

static void
print_header(const json_t *columns, const size_t *widths)
{
    const json_t *column;
    size_t i;

    json_array_foreach(columns, i, column) {
        char *name = xasprintf("%s", title(columns, i));

        for (char *p = name; *p; p++) {
            *p = *p == '_' || *p == '.' ? ' ' : toupper((unsigned char) *p);
        }
        print_cell(name, widths[i], i + 1 == json_array_size(columns));
        free(name);
    }
}

/* Widens columns for 'items'. */
static void
widen(const json_t *columns, const json_t *items, size_t *widths)
{
    size_t n = json_array_size(columns);
    const json_t *item;
    size_t i, j;

    json_array_foreach(items, i, item) {
        for (j = 0; j + 1 < n; j++) {
            char *text = cell(item, columns, j);

            widths[j] = strlen(text) > widths[j] ? strlen(text) : widths[j];
            free(text);
        }
    }
}

static void
print_rows(struct output *o, const json_t *items)
{
    const json_t *columns = json_object_get(o->kind->schema, "x-columns");
    size_t n = json_array_size(columns);
    const json_t *item;
    size_t i, j;

    if (!o->widths) {
        o->widths = xcalloc(n + 1, sizeof *o->widths);
        for (j = 0; j < n; j++) {
            o->widths[j] = strlen(title(columns, j));
        }
        widen(columns, items, o->widths);
        print_header(columns, o->widths);
    }
    widen(columns, items, o->widths);
    json_array_foreach(items, i, item) {
        for (j = 0; j < n; j++) {
            char *text = cell(item, columns, j);

            print_cell(text, o->widths[j], j + 1 == n);
            free(text);
        }
    }
}

void
output_begin(struct output *o, const struct kind *kind, bool json)
{
    *o = (struct output) { .kind = kind, .json = json };
}

void
output_page(struct output *o, const json_t *items)
{
    const json_t *item;
    size_t i;

    if (!o->json) {
        print_rows(o, items);
        return;
    }
    json_array_foreach(items, i, item) {
        char *text = json_dumps(item, JSON_INDENT(2));

        printf("%s%s", o->n++ ? ",\n" : "[\n", text);
        free(text);
    }
}

void
output_end(struct output *o)
{
    if (o->json) {
        puts(o->n ? "\n]" : "[]");
    }
    free(o->widths);
}

static void
print_line(const char *name, char *text)
{
    if (*text) {
        printf("%s: %s\n", name, text);
    }
    free(text);
}

static void
print_field(const json_t *item, const char *name)
{
    json_t *value = json_object_get(item, name);
    const char *key;
    json_t *member;

    if (!json_is_object(value)) {
        print_line(name, member_text(item, name));
    }
    json_object_foreach(value, key, member) {
        char *printable = harmless(key);
        char *full = xasprintf("%s.%s", name, printable);

        print_line(full, json_text(member));
        free(full);
        free(printable);
    }
}

void
output_item(const struct kind *kind, const json_t *item)
{
    const json_t *columns = json_object_get(kind->schema, "x-columns");
    json_t *rest = json_copy((json_t *) item);
    const json_t *column;
    const char *name;
    json_t *value;
    size_t i;

    json_array_foreach(columns, i, column) {
        char *field = xasprintf("%s", json_string_value(column));

        field[strcspn(field, ".")] = '\0';
        print_field(rest, field);
        json_object_del(rest, field);
        free(field);
    }
    json_object_foreach(rest, name, value) {
        print_field(item, name);
    }
    json_decref(rest);
}
