#!/usr/bin/env bash
# Writes deploy/kubernetes/base from aspire-manifest.json with aspirate, and the PrometheusRule from deploy/prometheus/rules.
# Needs the .NET SDK and aspirate 9.1.0:  dotnet tool install --global aspirate --version 9.1.0
# (on .NET 10 alone it runs with DOTNET_ROLL_FORWARD=Major, which is set here). Needs no cluster and no container runtime.
#   ASPIRATE=…   another command for aspirate
set -euo pipefail
cd "$(dirname "$0")/../.."
export DOTNET_ROLL_FORWARD=Major
read -ra aspirate <<< "${ASPIRATE:-aspirate}"
here=deploy/kubernetes
version=$(sed -nE 's/.*newTag: ([0-9.]+) # the bridge.*/\1/p' "$here/components/versions/kustomization.yaml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# aspirate reads the templates' folder from this file beside the AppHost; it is deleted at the end.
state=OllamaBridge.AppHost/aspirate.json
[ ! -e "$state" ] || { echo "$state exists already; delete it first."; exit 1; }
printf '{"TemplatePath":"%s"}\n' "$PWD/$here/templates" > "$state"
trap 'rm -rf "$work" "$state"' EXIT
"${aspirate[@]}" generate --non-interactive --disable-secrets --disable-state --skip-build --project-path OllamaBridge.AppHost \
  --aspire-manifest aspire-manifest.json --output-path "$work/base" --image-pull-policy IfNotPresent --namespace ollamabridge \
  --container-image-tag "$version" --include-dashboard false --parameter bridge-key=from-the-secret-bridge-tenants > "$work/log" || { cat "$work/log"; exit 1; }

# aspirate writes secrets in clear text into the settings. They are removed here; stack/ takes them from Secrets, and clients' keys from bridge-tenants.
find "$work/base" -name kustomization.yaml -exec sed -i -E "/^ *- '(ConnectionStrings__|[A-Za-z_]*(PASSWORD|URI)=|Bridge__Tenants__[^=]*Keys__)/d" {} +
# Removes generators without literals.
find "$work/base" -name kustomization.yaml -exec sed -i -z -E "s/configMapGenerator:\n *- name: [a-z-]+\n *literals:\n*$//" {} +
if ! grep -q "REDIS_PASSWORD" -r "$work/base"/*/kustomization.yaml && ! grep -q configMapGenerator "$work/base/state/kustomization.yaml"; then
  sed -i '/^ *envFrom:$/,/^ *name: state-env$/d' "$work/base/state/statefulset.yaml"
fi

# Fails on values that aspirate did not resolve, escaped as HTML, or invented.
if grep -rnE '\{[a-z][a-zA-Z0-9.-]*\}|&(amp|quot|lt|gt|#)|8443|ASPNETCORE_URLS|[Pp]assword=[^$]|from-the-secret-bridge-tenants' "$work/base"; then
  echo "aspirate wrote unresolved or unexpected values (above)."
  exit 1
fi
while IFS= read -r file; do
  printf '# Written by deploy/kubernetes/generate.sh; do not edit.\n' | cat - "$file" > "$work/file"
  sed -E -i -e '2,${/^[[:space:]]*$/d}' "$work/file"
  mv "$work/file" "$file"
done < <(find "$work/base" -name '*.yaml')
rm -rf "$here/base"
mv "$work/base" "$here/base"

rule=$here/components/monitoring/prometheusrule.yaml
{
  printf '# Written by deploy/kubernetes/generate.sh from deploy/prometheus/rules; do not edit.\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: ollamabridge\nspec:\n  groups:\n'
  cat deploy/prometheus/rules/*.yml | sed -E '/^groups:$/d; /^[[:space:]]*(#.*)?$/d; s/^/  /'
} > "$rule"
echo "Written: $here/base, $rule"
