#!/usr/bin/env bash
# Writes the files from which kustomization.yaml in this folder makes Secrets, unless they exist, and prints the keys once.
#   NEW_KEY=…   the command that makes a key, by default with the .NET SDK. Without the SDK:  NEW_KEY="docker run --rm ollamabridge/gateway:0.1.0 new-key"
set -euo pipefail
cd "$(dirname "$0")"
umask 077
[ ! -e tenants.env ] || { echo "tenants.env exists already."; exit 1; }
read -ra new_key <<< "${NEW_KEY:-dotnet run --project ../../../OllamaBridge.Gateway -- new-key}"

# Sets key (sent by the caller) and kept (its verifier, stored by the bridge).
make_key() {
  local text
  text=$("${new_key[@]}")
  key=$(grep -oE 'ob-[A-Za-z0-9_-]+' <<< "$text" | head -n 1)
  kept=$(grep -oE '[A-Za-z0-9_-]+\.[A-Za-z0-9_+/=-]+\.[A-Za-z0-9_+/=-]+' <<< "$text" | head -n 1)
  [ -n "$key" ] && [ -n "$kept" ] || { echo "new-key printed neither key nor verifier."; exit 1; }
}

[ -e state.env ] || printf 'password=%s\n' "$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')" > state.env
make_key
printf '%s' "$key" > hook.key
hook=$kept
make_key
printf '%s' "$key" > metrics.key
{
  printf 'Bridge__Tenants__monitoring__Keys__0=%s\nBridge__Tenants__monitoring__Scopes=Metrics\n' "$kept"
  printf 'Bridge__Tenants__instances__Keys__0=%s\nBridge__Tenants__instances__Scopes=Drain\n' "$hook"
  make_key
  echo "operator: $key" >&2
  printf 'Bridge__Tenants__operators__Keys__0=%s\nBridge__Tenants__operators__Scopes=Inference, Management, Admin\n' "$kept"
  make_key
  echo "first tenant (chat): $key" >&2
  printf 'Bridge__Tenants__chat__Keys__0=%s\n' "$kept"
} > tenants.env
echo "Wrote state.env, tenants.env, hook.key and metrics.key. The keys above are shown only once." >&2
