# SPDX-License-Identifier: Apache-2.0
# Completion for bash: the program itself knows what may come next.

_ovs_migratectl() {
    local line=${COMP_LINE:0:COMP_POINT} words prefix IFS=$' \t\n'

    # bash cuts words at "=" and ":", we do not.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    prefix=${words[-1]%"${words[-1]##*[=:]}"}
    IFS=$'\n'
    COMPREPLY=($(ovs-migratectl --complete "${words[@]:1}" 2>/dev/null))
    [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[=.] ]] && compopt -o nospace
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}
complete -F _ovs_migratectl ovs-migratectl
