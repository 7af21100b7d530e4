# Completion of headsup for bash: source <(headsup completion bash)

_headsup() {
  local line kind before
  # Where = does not end a word, it is part of the one to complete.
  [[ ${COMP_WORDS[COMP_CWORD]} == --*=* ]] && before=${COMP_WORDS[COMP_CWORD]%%=*}=
  COMPREPLY=()
  compopt +o default 2>/dev/null
  while IFS= read -r line; do
    if [[ -z $kind ]]; then
      kind=$line
    else
      COMPREPLY+=("$before${line%%$'\t'*}")
    fi
  done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ $kind == files ]]; then
    compopt -o default 2>/dev/null
  fi
}

complete -o default -F _headsup headsup
