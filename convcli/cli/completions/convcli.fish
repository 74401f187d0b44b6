# Completion of convcli for fish. Save it as ~/.config/fish/completions/convcli.fish, or add to config.fish:
# convcli --show-completion fish | source
function __convcli_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l items (env CONVCLI_COMPLETE=1 $words 2>/dev/null)
    if test (count $items) -gt 0
        printf '%s\n' $items
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command convcli --no-files --arguments '(__convcli_complete)'
