#compdef convcli
# Completion of convcli for zsh. Save it as _convcli in a folder of $fpath, or add to ~/.zshrc after compinit:
# eval "$(convcli --show-completion zsh)"
_convcli() {
    # Words that go on after a colon or slash get no space.
    local -a whole open
    local line word text item
    for line in "${(@f)$(CONVCLI_COMPLETE=1 ${(Q)words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        word=${line%%$'\t'*}
        text=${line#*$'\t'}
        item=${word//:/\\:}${text:+:$text}
        case $word in
            '') ;;
            *[:/]) open+=("$item") ;;
            *) whole+=("$item") ;;
        esac
    done
    if (( $#whole + $#open )); then
        _describe -t words convcli whole
        _describe -t beginnings convcli open -S ''
    else
        _files
    fi
}
# As an autoloaded function, this file is itself the first call.
if [[ $funcstack[1] == _convcli ]]; then
    _convcli "$@"
else
    compdef _convcli convcli
fi
