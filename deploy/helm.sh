#!/usr/bin/env bash
# Writes a Helm chart of the application through Aspire's Kubernetes publisher. Needs neither a cluster nor helm. Further arguments are settings:
#   deploy/helm.sh out/chart --Fleet:Instances=5 --Fleet:Kubernetes:ModelStorageClass=nfs
set -euo pipefail
[ $# -ge 1 ] || { echo "Usage: deploy/helm.sh FOLDER [settings]"; exit 2; }
folder=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
[ ! -e "$folder" ] || [ -f "$folder/Chart.yaml" ] || [ -z "$(ls -A "$folder")" ] || { echo "$folder exists and is not a chart."; exit 1; }
# Templates of an earlier chart would be installed with this one.
rm -rf "$folder/templates"
dotnet run --project OllamaBridge.AppHost --configuration Release -- --operation publish --step publish --output-path "$folder" "$@"
if [ ! -f "$folder/Chart.yaml" ]; then
  echo "No chart was written to $folder: this build has no Kubernetes publisher. Restore Aspire.Hosting.Kubernetes (see artifacts/optional-packages.props) and build again."
  exit 1
fi
echo
echo "The chart is in $folder. Push an image of the bridge to a registry that the cluster can pull from. Then:"
echo "  helm install ollamabridge $folder --set secrets.state.state_password=\$(openssl rand -hex 24) --set secrets.bridge.bridge_key=YOUR-KEY --set parameters.bridge.bridge_image=YOUR-REGISTRY/ollamabridge/gateway:TAG"
echo "Make a key: dotnet run --project OllamaBridge.Gateway -- new-key. Clients send it; the cluster keeps it in a Secret."
command -v helm > /dev/null || echo "helm is not on PATH here, so the chart was not rendered."
