#compdef headsup
# Completion of headsup for zsh: headsup completion zsh > _headsup, in a folder of $fpath

_headsup() {
  local line kind word
  local -a found
  while IFS= read -r line; do
    if [[ -z $kind ]]; then
      kind=$line
    else
      # _describe takes word:help, and a colon of the word escaped.
      word=${${line%%$'\t'*}//:/\\:} line=${line#*$'\t'}
      found+=("$word${line:+:$line}")
    fi
  done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  [[ $PREFIX == --*=* ]] && compset -P '*='
  if [[ $kind == files ]]; then
    _files
  else
    _describe headsup found
  fi
}

if [[ $funcstack[1] == _headsup ]]; then
  _headsup "$@"
else
  compdef _headsup headsup
fi
