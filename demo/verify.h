/* SPDX-License-Identifier: MIT */
/*
 * verify.h -- is everything as it must be after a run?
 */
#ifndef DEMO_VERIFY_H
#define DEMO_VERIFY_H

#include "report.h"

/* Compare every session with what the clients know, every count of the table
 * with the clients' and with one another, and the pool with itself.  Workers
 * and clients have finished; SILENT clients got no last answer.  Ends the
 * server.  Fills *VERDICT and reports each finding.  True: nothing is wrong. */
bool verify_run(struct server *server, struct load *load, unsigned silent,
                bool json, struct verdict *verdict);

#endif
