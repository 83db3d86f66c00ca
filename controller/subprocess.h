/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBPROCESS_H
#define SUBPROCESS_H 1

/* Programs that the controller runs.  They do not outlive it: when it ends,
 * however that happens, the kernel sends them SIGTERM.
 *
 * A program is looked for in PATH, then where OVS is installed.  It inherits
 * no file descriptor but standard input (/dev/null), output and error. */

#include <stdbool.h>
#include <sys/types.h>

struct subprocess {
    pid_t pid;                  /* 0: there is none. */
    int fd;                     /* Readable when it has ended (pidfd). */
};

/* Starts 'argv', which ends in NULL.  Returns 0 or a positive errno value; a
 * program that cannot be executed has exit status 127. */
int subprocess_start(struct subprocess *, const char *const argv[]);

/* If it has ended, returns true, stores in '*status' what waitpid() does, and
 * forgets it. */
bool subprocess_ended(struct subprocess *, int *status);

/* Causes poll_block() to wake up when it ends. */
void subprocess_wait(const struct subprocess *);

/* Ends it with SIGTERM, or if it does not heed that in two seconds, SIGKILL.
 * Blocks until it has ended. */
void subprocess_stop(struct subprocess *);

/* Runs 'argv' to its end and stores in '*output' what it wrote, without white
 * space at the end; the caller frees it.  If 'input' is not NULL, it is the
 * content of a file that the program finds as /dev/fd/3.  Returns the exit
 * status, or -1 if it could not be started or was ended by a signal. */
int subprocess_run(const char *const argv[], const char *input,
                   char **output);

#endif /* subprocess.h */
