#!/usr/bin/env bash
# Writes a Helm chart of the application through Aspire's own publisher. Needs neither a cluster nor helm. What comes after the folder goes to the application:
#   deploy/helm.sh out/chart --Fleet:Instances=5 --Fleet:Kubernetes:ModelStorageClass=nfs
set -euo pipefail
[ $# -ge 1 ] || { echo "Usage: deploy/helm.sh FOLDER [settings]"; exit 2; }
folder=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
[ ! -e "$folder" ] || [ -f "$folder/Chart.yaml" ] || [ -z "$(ls -A "$folder")" ] || { echo "$folder is there and is no chart."; exit 1; }
# What an earlier chart had and this one does not would be installed with it.
rm -rf "$folder/templates"
dotnet run --project OllamaBridge.AppHost --configuration Release -- --operation publish --step publish --output-path "$folder" "$@"
echo
echo "The chart is in $folder. With an image of the bridge where the cluster can pull it:"
echo "  helm install ollamabridge $folder --set secrets.state.state_password=\$(openssl rand -hex 24) --set parameters.bridge.bridge_image=YOUR-REGISTRY/ollamabridge/gateway:TAG"
command -v helm > /dev/null || echo "helm is not on PATH here, so the chart was not rendered."
