# Completion of convcli for bash. Save it as ~/.local/share/bash-completion/completions/convcli, or add to ~/.bashrc:
# eval "$(convcli --show-completion bash)"
_convcli() {
    # bash separates words at : and =, which belong to convcli's words.
    local words=() piece line i
    for ((i = 1; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        if ((i > 1)) && { [[ $piece == [:=]* ]] || [[ ${COMP_WORDS[i - 1]} == *[:=] ]]; }; then
            words[-1]+=$piece
        else
            words+=("$piece")
        fi
    done
    local given=${words[-1]}
    # What stands before the last : or = stays on the line.
    local kept=${given%"${given##*[:=]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r line _; do
        COMPREPLY+=("${line#"$kept"}")
    done < <(CONVCLI_COMPLETE=1 "${1/#\~/$HOME}" "${words[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/] ]]; then
        compopt -o nospace
    fi
}
complete -o default -o bashdefault -F _convcli convcli
