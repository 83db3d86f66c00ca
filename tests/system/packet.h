/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PACKET_H
#define PACKET_H 1

/* What programs that send and receive whole frames have in common. */

/* Ends the program, with 1, saying that 'what' failed and why (errno). */
void die(const char *what) __attribute__((noreturn));

/* The time, in seconds, since some point in the past. */
double seconds(void);

/* A packet socket for sending at 'interface', and for the frames of 'protocol'
 * (ETH_P_ALL: all, 0: none) that come in there, with large buffers.  Ends the
 * program if there is none. */
int packet_open(const char *interface, int protocol);

#endif /* packet.h */
