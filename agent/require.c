/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "require.h"

#include <bpf/btf.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "log.h"
#include "privileges.h"
#include "util.h"

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

static bool
require_kernel(void)
{
    struct utsname u;
    struct btf *btf;
    bool ok = true;

    uname(&u);
    if (access(VMLINUX_BTF, R_OK)) {
        log_error("%s: %s: this kernel (%s) says nothing about its types; "
                  "use one built with CONFIG_DEBUG_INFO_BTF=y, as Debian's "
                  "are, and mount /sys", VMLINUX_BTF, strerror(errno),
                  u.release);
        return false;
    }
    btf = btf__parse_raw(VMLINUX_BTF);
    if (!btf) {
        log_error("%s: cannot be parsed: %s", VMLINUX_BTF, strerror(errno));
        return false;
    }
    if (btf__find_by_name_kind(btf, "bpf_sk_assign_tcp_reqsk",
                               BTF_KIND_FUNC) < 0) {
        log_error("kernel %s has no bpf_sk_assign_tcp_reqsk(): use Linux 6.9 "
                  "or newer, with CONFIG_SYN_COOKIES=y", u.release);
        ok = false;
    }
    btf__free(btf);
    return ok;
}

/* Returns sysctl 'name' below net/, or -1 if it cannot be read. */
static long
read_sysctl(const char *name)
{
    char path[256], text[32] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/sys/net/%s", name);
    f = fopen(path, "r");
    if (!f) {
        return -1;
    }
    if (!fgets(text, sizeof text, f)) {
        text[0] = '\0';
    }
    fclose(f);
    return text[0] ? strtol(text, NULL, 10) : -1;
}

/* "ipv4/x/y" to "net.ipv4.x.y", as sysctl(8) wants it. */
static const char *
sysctl_name(const char *path, char *buf, size_t size)
{
    snprintf(buf, size, "net.%s", path);
    for (char *p = buf; *p; p++) {
        *p = *p == '/' ? '.' : *p;
    }
    return buf;
}

static bool
require_sysctls(const char *interface)
{
    static const struct {
        const char *name;
        bool on;                    /* Must be nonzero, or zero. */
        const char *why;
    } needed[] = {
        { "ipv4/tcp_syncookies", true,
          "the kernel infuses connections as SYN cookies" },
        { "ipv4/tcp_window_scaling", true,
          "switches negotiate window scaling" },
        { "ipv4/tcp_sack", true,
          "switches negotiate selective acknowledgments" },
        { "ipv4/tcp_timestamps", true, "switches negotiate timestamps" },
        { "ipv4/tcp_rfc1337", false,
          "sockets in TIME_WAIT would block their client's next connection" },
    };
    char name[128], path[128];
    bool ok = true;
    long rp;

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        long value = read_sysctl(needed[i].name);

        if (value < 0) {
            continue;
        }
        if ((value != 0) != needed[i].on) {
            log_error("%s is %ld, but %s: run \"sysctl -w %s=%d\"",
                      sysctl_name(needed[i].name, name, sizeof name), value,
                      needed[i].why, name, needed[i].on);
            ok = false;
        }
    }

    snprintf(path, sizeof path, "ipv4/conf/%s/rp_filter", interface);
    rp = read_sysctl(path);
    if (rp == 1 || (rp == 0 && read_sysctl("ipv4/conf/all/rp_filter") == 1)) {
        log_warn("net.ipv4.conf.%s.rp_filter is strict: clients to whom the "
                 "route leads through another interface are not served; "
                 "\"sysctl -w net.ipv4.conf.%s.rp_filter=2\" serves them",
                 interface, interface);
    }
    if (read_sysctl("ipv4/tcp_abort_on_overflow") == 1) {
        log_warn("net.ipv4.tcp_abort_on_overflow is 1: a full accept queue "
                 "may reset clients that another host could have served; "
                 "set it to 0");
    }
    return ok;
}

static bool
require_interface(const char *interface)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ifr;
    bool ok = true;

    memset(&ifr, 0, sizeof ifr);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", interface);
    if (fd < 0 || strlen(interface) >= sizeof ifr.ifr_name
        || ioctl(fd, SIOCGIFHWADDR, &ifr)) {
        log_error("%s: no such network interface here (%s); \"ip link\" "
                  "lists them", interface, strerror(errno));
        ok = false;
    } else if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        log_error("%s: not an Ethernet interface, which the agent needs",
                  interface);
        ok = false;
    } else if (!ioctl(fd, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
        log_warn("%s: the interface is down; run \"ip link set %s up\"",
                 interface, interface);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

bool
require_all(const char *interface)
{
    bool ok = privileges_check();

    ok &= require_interface(interface);
    ok &= require_sysctls(interface);
    return require_kernel() && ok;
}
