/* SPDX-License-Identifier: Apache-2.0 */
#ifndef READING_H
#define READING_H 1

/* Tests of what reads the first bytes of a connection (reader.h).
 *
 * Every input is read in one piece and in pieces of all kinds, each time from
 * other memory, which ends at a guard page, and must mean the same however it
 * was cut. */

#include "reader.h"
#include "unit.h"

/* What a reader of 'protocol' makes of the 'len' bytes at 'input', as text
 * that the caller frees.  The first segment has 'first' bytes, or as many as
 * the others if that is 0; those have 'step' bytes, or all that is left if
 * that is 0. */
char *reading_describe(enum service_protocol protocol, const void *input,
                       size_t len, size_t first, size_t step);

/* Checks that the 'len' bytes at 'input' mean 'expected', which is as
 * reading_describe() would have it, however they are cut.  The first wrong cut
 * is told, under 'name', and is enough. */
void reading_check(enum service_protocol protocol, const char *name,
                   const void *input, size_t len, const char *expected);

/* What the 'len' bytes at 'input' are, in one piece. */
enum read_result reading_result(enum service_protocol protocol,
                                const void *input, size_t len);

/* Checks the cases in tests/unit/'dir', of which there are at least 'n': the
 * input in NAME.req, byte for byte as a client sends it, and what it means in
 * NAME.out.  With UNIT_UPDATE=1 in the environment, the .out files are written
 * instead of compared: read the difference before you commit it. */
void reading_cases(enum service_protocol protocol, const char *dir,
                   unsigned int n);

#endif /* reading.h */
