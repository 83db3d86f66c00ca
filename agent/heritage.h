/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HERITAGE_H
#define HERITAGE_H 1

/* Maps that outlive the daemon.  They are pinned in the run directory.  Where
 * the pins are gone because their mount was (that of "ip netns exec" ends
 * with its last process), the programs at work on the interface still hold
 * the maps. */

#include <stdbool.h>

struct bpf_object;
struct rundir;

/* Where an agent's filters are. */
#define HERITAGE_TC_HANDLE 1
#define HERITAGE_TC_PRIORITY 7471

/* Makes 'obj', which is not loaded yet, use the maps that an earlier agent
 * on interface 'ifindex' left, and sets '*inherited' to whether there are
 * any.  Returns 0, or an exit status after it has logged what is wrong. */
int heritage_reuse(struct bpf_object *obj, int ifindex,
                   const struct rundir *rd, bool *inherited);

/* Pins the maps of 'obj', which is loaded.  Returns 0 or an exit status. */
int heritage_pin(struct bpf_object *obj, const struct rundir *rd);

/* Opens map 'name' of an earlier agent.  Returns its file descriptor, or -1
 * if there is none. */
int heritage_find(const char *name, int ifindex, const struct rundir *rd);

#endif /* heritage.h */
