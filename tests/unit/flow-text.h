/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_TEXT_H
#define FLOW_TEXT_H 1

/* Flow tables as text, for tests of what makes them. */

#include "flow-table.h"

/* Initializes 'ft' with the flows and groups in 'text', each in a line as
 * ovs-ofctl(8) takes it; those of groups begin with "group". */
void flow_text_read(struct flow_table *ft, const char *text);

/* What 'ft' has, each flow and group in a line, sorted.  The caller frees
 * it. */
char *flow_text_lines(const struct flow_table *ft);

#endif /* flow-text.h */
