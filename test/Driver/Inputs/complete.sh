# What bash completes command lines to: complete.sh SCRIPT LINE..., one line of
# words for each.
# shellcheck shell=bash
source "$1"
shift
complete -p moe-compile
function=$(complete -p moe-compile | sed 's/.* -F \([^ ]*\) .*/\1/')
for COMP_LINE in "$@"; do
  COMP_POINT=${#COMP_LINE}
  COMPREPLY=()
  "$function" moe-compile
  echo "<$COMP_LINE> $(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort -u | paste -sd ' ')"
done
