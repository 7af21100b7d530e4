# Completion of headsup for fish: headsup completion fish > ~/.config/fish/completions/headsup.fish

function __headsup_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    test -n "$current"; or set current ''
    set -l found ($words[1] __complete $words[2..-1] $current 2>/dev/null)
    # What stands before = is part of the word here, and not of what is completed.
    set -l before (string match -r '^--[^=]*=' -- $current)
    if test "$found[1]" = files
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- $current)
        return
    end
    for line in $found[2..-1]
        printf '%s\n' "$before$line"
    end
end

complete -c headsup -f -a '(__headsup_complete)'
