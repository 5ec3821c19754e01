#!/usr/bin/env bash
# Validates the overlays with the API server of kubectl's current context: strictly, and without changes (--dry-run=server). A rejection or a warning is a
# failure. Kinds that the cluster does not define are listed and skipped.
#   check.sh                      all of deploy/kubernetes/overlays
#   check.sh my-cluster/ …        these folders
# Objects can be validated only if their namespace exists: missing namespaces are created, and deleted at the end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
made=()
trap '[ ${#made[@]} -eq 0 ] || kubectl delete namespace "${made[@]}" > /dev/null; rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- "$here"/overlays/*/
failed=0

# Prints the names of the folder's namespaces; with $1, the object of that namespace.
spaces() {
  awk -v one="${1:-}" 'BEGIN { RS = "\n?---\n" }
    /(^|\n)kind: Namespace(\n|$)/ && match($0, /\n  name: [^\n]+/) {
      name = substr($0, RSTART + 9, RLENGTH - 9)
      if (one == "") print name; else if (one == name) print $0
    }' "$work/objects.yaml"
}

for folder; do
  kubectl kustomize "$folder" > "$work/objects.yaml"
  for name in $(spaces); do
    kubectl get namespace "$name" > "$work/said" 2>&1 && continue
    grep -q NotFound "$work/said" || { cat "$work/said" >&2; exit 1; }
    # From the overlay, because its labels select the pod security level.
    spaces "$name" | kubectl apply -f - > /dev/null
    made+=("$name")
  done

  kubectl apply --dry-run=server --validate=strict -f "$work/objects.yaml" > "$work/taken" 2> "$work/said" || true
  # kubectl reports unknown kinds in two ways, because it caches a cluster's kinds for ten minutes.
  left_out=$(sed -nE 's/.*no matches for kind "([^"]+)" in version "([^"]+)".*/\1 (\2)/p; s/.*could not find the requested resource \(post ([^)]+)\).*/\1/p' \
    "$work/said" | sort -u | paste -sd' ' -)
  sed -E '/no matches for kind|could not find the requested resource \(post /d; /^ensure CRDs are installed first$/d' "$work/said" > "$work/wrong"
  echo "$(basename "$folder"): $(wc -l < "$work/taken") objects taken${left_out:+, not asked: $left_out}"
  [ ! -s "$work/wrong" ] || { cat "$work/wrong" >&2; failed=1; }
done
exit $failed
