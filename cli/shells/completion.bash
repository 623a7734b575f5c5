# adsyncconfig in bash 4.4 or later: eval "$(adsyncconfig --show-completion bash)"
_adsyncconfig() {
    local IFS=$'\n' kind value program=adsyncconfig index=$COMP_CWORD words=("${COMP_WORDS[@]}")
    [[ $1 == */* ]] && program=${1%/*}/adsyncconfig
    if [[ ${1##*/} != adsyncconfig ]]; then
        words=(adsyncconfig "${1##*/}" "${words[@]:1}")
        index=$((index + 1))
    fi
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$index _ADSYNCCONFIG_COMPLETE=bash_complete "$program" 2>/dev/null)
}
complete -o nosort -F _adsyncconfig COMMANDS
