/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SURVEY_H
#define SURVEY_H 1

/* The fabric, as flows are made from it, put together from the database and
 * from what switches have reported. */

#include <stdbool.h>

struct fabric;
struct keyring;
struct omrec_fabric;
struct ovsdb_idl;
struct topology;

/* Tells 'topology' what the database OVS_Migrate knows of ports: links, and
 * where hosts are. */
void survey_links(const struct ovsdb_idl *, struct topology *,
                  long long int now);

/* Reads the keys of the fabric.  Returns false if it has none. */
bool survey_keys(const struct omrec_fabric *, struct keyring *);

/* Fills 'f', which is empty.  Two times the same gives the same bytes.  Time
 * counts, too: which stations are doubted (stations.h). */
void survey_fabric(const struct ovsdb_idl *, const struct topology *,
                   struct fabric *f);

#endif /* survey.h */
