# SPDX-License-Identifier: Apache-2.0
# Completion for bash: the program itself knows what may come next, but for its
# options.

_ovs_migratectl() {
    local line=${COMP_LINE:0:COMP_POINT} words word prefix IFS=$' \t\n'

    # bash cuts words at "=" and ":", we do not.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    prefix=${word%"${word##*[=:]}"}
    case ${words[-2]} in
        -o) COMPREPLY=($(compgen -W "json table" -- "$word")); return ;;
        -f | --file | --token-file | --ca-cert)
            IFS=$'\n'
            compopt -o filenames
            COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "--url --token-file --ca-cert --file --dry-run
            --prune --help --version -o -f" -- "$word"))
        return
    fi
    IFS=$'\n'
    COMPREPLY=($(ovs-migratectl --complete "${words[@]:1}" 2>/dev/null))
    [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[=.] ]] && compopt -o nospace
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}
complete -F _ovs_migratectl ovs-migratectl
