# Sourced by run.sh and test.sh: prints one line about optional packages that could not be restored here (eng/OptionalPackages.targets).
left_out() {
  local result=artifacts/optional-packages.props missing=()
  [ -f "$result" ] || return 0
  ! grep -q 'HasContainers>false' "$result" || missing+=("CommunityToolkit.Aspire.Hosting.Ollama (containers, Open WebUI)")
  ! grep -q 'HasKubernetes>false' "$result" || missing+=("Aspire.Hosting.Kubernetes (Helm chart)")
  [ ${#missing[@]} -eq 0 ] || echo "left out, because these packages cannot be restored here: $(IFS=';'; sed 's/;/, /g' <<< "${missing[*]}")"
}
