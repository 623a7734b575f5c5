# adsyncconfig in fish: adsyncconfig --show-completion fish | source
function __adsyncconfig_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program adsyncconfig
    if string match -q '*/*' -- $before[1]
        set program (string replace -r '[^/]*$' adsyncconfig -- $before[1])
    end
    set -l name (string replace -r '.*/' '' -- $before[1])
    set -l words $name
    if test $name != adsyncconfig
        set words adsyncconfig $name
    end
    set -l line (string join ' ' -- (string escape -- $words $before[2..-1]) $current)
    for candidate in (env _ADSYNCCONFIG_COMPLETE=fish_complete COMP_WORDS=$line COMP_CWORD=$current $program 2>/dev/null)
        set -l parts (string split -m 1 ',' -- $candidate)
        switch $parts[1]
            case dir
                __fish_complete_directories $current
            case file
                __fish_complete_path $current
            case plain
                echo $parts[2]
        end
    end
end
for command in COMMANDS
    complete --no-files --keep-order --command $command --arguments '(__adsyncconfig_complete)'
end
