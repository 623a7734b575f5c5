#compdef COMMANDS
# adsyncconfig in zsh, after compinit: eval "$(adsyncconfig --show-completion zsh)"
_adsyncconfig() {
    local program=adsyncconfig kind value help
    local -a line answer described plain
    local -i index=$((CURRENT - 1))
    [[ $words[1] == */* ]] && program=${words[1]:h}/adsyncconfig
    line=("${words[@]}")
    if [[ ${words[1]:t} != adsyncconfig ]]; then
        line=(adsyncconfig "${words[1]:t}" "${(@)words[2,-1]}")
        index+=1
    fi
    answer=("${(@f)$(COMP_WORDS="${(pj:\n:)line}" COMP_CWORD=$index _ADSYNCCONFIG_COMPLETE=zsh_complete $program 2>/dev/null)}")
    for kind value help in "${(@)answer}"; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain) if [[ $help == _ ]]; then plain+=("$value"); else described+=("$value:$help"); fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _adsyncconfig "$@"
else
    compdef _adsyncconfig COMMANDS
fi
