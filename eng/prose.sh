#!/usr/bin/env bash
# Measures the English of comments by words that mark an unclear style (CONTRIBUTING.md, Language), and fails above the limits.
# Counts per 1,000 words: "what" indicates relative clauses in place of nouns, "where" conditions; pronouns such as "nobody" refer to program elements.
#   eng/prose.sh            figures of each project, and the limits
#   eng/prose.sh --lines W  the comment lines that contain the word W
set -euo pipefail
cd "$(dirname "$0")/.."

# $1: folder. Prints each comment as FILE:LINE:TEXT, without markup.
comments() {
  find "$1" -name '*.cs' -not -path '*/obj/*' -not -path '*/bin/*' -print0 | xargs -0 awk '
    match($0, /^[ \t]*\/\/\/?/) || match($0, /[^:"'"'"']\/\/ /) {
      text = substr($0, RSTART + RLENGTH)
      gsub(/<[^>]*>/, " ", text)
      print FILENAME ":" FNR ":" text
    }'
}

if [ "${1:-}" = --lines ]; then
  for project in OllamaBridge.*/; do comments "${project%/}"; done | grep -wi -- "$2"
  exit
fi

failed=0
printf '%-36s %8s %8s %8s %10s\n' project words what where pronouns
for project in OllamaBridge.*/; do
  project=${project%/}
  row=$(comments "$project" | cut -d: -f3- | tr 'A-Z' 'a-z' | grep -oE "[a-z']+" | awk '
    { words++ }
    $0 == "what" { what++ }
    $0 == "where" { where++ }
    /^(nobody|whoever|somebody|anybody|everybody|anew)$/ { pronouns++ }
    END { printf "%d %.1f %.1f %d", words, words ? 1000 * what / words : 0, words ? 1000 * where / words : 0, pronouns }')
  read -r words what where pronouns <<< "$row"
  printf '%-36s %8s %8s %8s %10s\n' "$project" "$words" "$what" "$where" "$pronouns"
  awk -v a="$what" -v b="$where" -v c="$pronouns" 'BEGIN { exit !(a > 2 || b > 2 || c > 0) }' && failed=1
done
printf '%-36s %8s %8s %8s %10s\n' limit '' 2 2 0
exit $failed
