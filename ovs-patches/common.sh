# Shared by prepare and refresh.  Sourced with 'here' set to this directory.

tarball_sha256=82dde6737921b63b284ad8399f95c7f1de94e1b96b2036dcf4a78c9f969ab03f

# Change this if a tree that an older prepare made must not be used any more.
layout=2

die() {
    echo "$program: $*" >&2
    exit 1
}

# need COMMAND PACKAGE: COMMAND, from Debian's PACKAGE, is required.
need() {
    command -v "$1" > /dev/null \
        || die "$1 is missing; run: apt-get install $2"
}

# Git as it is on every machine: no user's configuration, fixed names and
# dates, so that the same patches always yield the same commits.
g() {
    env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE -u GIT_PREFIX \
        GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C \
        GIT_AUTHOR_NAME=ovs-migrate GIT_AUTHOR_EMAIL=ovs-migrate \
        GIT_COMMITTER_NAME=ovs-migrate GIT_COMMITTER_EMAIL=ovs-migrate \
        GIT_AUTHOR_DATE='2026-11-22T00:00:00Z' \
        GIT_COMMITTER_DATE='2026-11-22T00:00:00Z' \
        git -c safe.directory='*' -c gc.auto=0 -c core.attributesFile=/dev/null \
            -c advice.detachedHead=false "$@"
}

# The names of the patches, or of the first $1 of them.
series() {
    grep -v -e '^#' -e '^$' "$here/series" | head -n "${1:-999}"
}

# Identifies the tarball, the patches (or the first $1 of them) and the layout.
stamp() {
    { echo "$tarball_sha256 $layout"; series "${1:-}"
      series "${1:-}" | (cd "$here" && xargs -r sha256sum --); } \
        | sha256sum | cut -d' ' -f1
}

# True if DIR, a tree that prepare made, has commits or changes to tracked
# files that did not come from the patches.
edited() {
    test "$(g -C "$1" rev-parse HEAD)" != "$(cat "$1/.git/ovs-migrate/head")" \
        || uncommitted "$1"
}

uncommitted() {
    test -n "$(g -C "$1" status --porcelain --untracked-files=no)"
}
