/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEY_FILE_H
#define KEY_FILE_H 1

/* The key file of the agent (seal.h), when the controller says what is in
 * it. */

#include <jansson.h>
#include <stdbool.h>

/* Sees to it that 'name' has 'keys', an array of one or two strings of 32
 * hexadecimal digits, replacing it as a whole.  Stores in '*changed' whether
 * it had not.  Returns false, and has logged why, if that is not possible or
 * 'keys' is anything else. */
bool key_file_put(const char *name, const json_t *keys, bool *changed);

#endif /* key-file.h */
