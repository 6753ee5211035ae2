#!/usr/bin/env bash
# Finds the words that this project does not write, in code and documentation, and says what to write for them. `make lint` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

found=0
# refuse PATTERN INSTEAD: a line that matches is refused.
refuse() {
  local status=0
  git grep --untracked -nIiP "$1" -- '*.go' '*.md' '*.sh' '*.js' '*.tmpl' Makefile ':!hack/words.sh' ':!docs/api.md' || status=$?
  case $status in
    0) echo "words.sh: $2" >&2; found=1 ;;
    1) ;; # nothing was found
    *) exit "$status" ;;
  esac
}

refuse '\b(mend|mends|mended|mending)\b' 'write fix, correct or repair'
refuse '\banew\b' 'write again'
refuse '^\s*// [A-Za-z_]+[A-Za-z0-9_.]* : ' 'a comment is a sentence: "// Name does …"'
refuse '(?<!there )\b(is|are) no (text|part of|numbers?|objects?|files?|copy of|copies of|samples?|images?|list|cluster of)\b' 'write is not a …'
refuse '(^\s*(//)? ?|\. |: |\b(that|which) )who (may|can|could)\b' 'write whoever, or anyone who'
exit $found
