#!/usr/bin/env bash
# Writes aspire-manifest.json at the root: the application model for deployment tools. Needs the Community Toolkit's Ollama package, but neither a
# container runtime nor a cluster.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet run --project OllamaBridge.AppHost --configuration Release -- --publisher manifest --output-path "$PWD/aspire-manifest.json"
