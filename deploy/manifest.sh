#!/usr/bin/env bash
# Writes aspire-manifest.json at the root: what the application is, for whoever deploys it. Needs neither a container runtime nor a cluster.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet run --project OllamaBridge.AppHost --configuration Release -- --publisher manifest --output-path "$PWD/aspire-manifest.json"
