/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static char ident[96] = "ovs-migrate-agent";
static bool detached;

void
log_init(const char *program, const char *interface)
{
    snprintf(ident, sizeof ident, "%s[%s]", program, interface);
}

void
log_to_syslog(void)
{
    openlog(ident, LOG_PID, LOG_DAEMON);
    detached = true;
}

void
log_write(int priority, const char *format, ...)
{
    const char *level = (priority <= LOG_ERR ? "error: "
                         : priority == LOG_WARNING ? "warning: " : "");
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (detached) {
        syslog(priority, "%s%s", level, line);
    } else {
        fprintf(stderr, "%s: %s%s\n", ident, level, line);
    }
}
