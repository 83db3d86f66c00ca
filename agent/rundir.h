/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNDIR_H
#define RUNDIR_H 1

/* The agent's own directory, BASE/INTERFACE-NETNS: its lock, its control
 * socket and a BPF file system of its own.  (That of the machine is out of
 * reach inside "ip netns exec" and Mininet, which mount /sys anew.) */

#include <limits.h>
#include <stdbool.h>

#define RUNDIR_DEFAULT "/run/ovs-migrate-agent"

struct rundir {
    char path[PATH_MAX / 2];
    char pins[PATH_MAX];            /* Where the BPF file system is. */
    char control[PATH_MAX];         /* The control socket. */
    int lock_fd;
};

/* Names the directory for 'interface' of this network namespace in 'rd',
 * and does nothing else.  Returns 0 or a positive errno. */
int rundir_name(struct rundir *rd, const char *base, const char *interface);

/* Makes the directory and mounts its BPF file system, if need be.  Returns 0,
 * or an exit status after it has logged what is wrong. */
int rundir_prepare(struct rundir *rd);

/* The same, and takes the directory's lock. */
int rundir_open(struct rundir *rd);

/* Writes this process's id into the lock file, for people to read. */
void rundir_set_pid(struct rundir *rd);

/* Unmounts the BPF file system and removes the directory. */
void rundir_remove(struct rundir *rd);

#endif /* rundir.h */
