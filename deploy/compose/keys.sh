#!/usr/bin/env bash
# Writes .env beside compose.yaml: the password of Redis, a key for clients and a key for operators. Existing variables are kept.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
touch .env

# $1: variable, $2: value
add() {
  if grep -q "^$1=" .env; then
    echo "$1 is in .env already."
  else
    printf '%s=%s\n' "$1" "$2" >> .env
  fi
}

# A key of the bridge: ob-, 12 hexadecimal digits, and 256 random bits in base64url (docs/tenants.md).
new_key() { printf 'ob-%s-%s' "$(openssl rand -hex 6)" "$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n')"; }

add STATE_PASSWORD "$(openssl rand -hex 24)"
add BRIDGE_KEY "$(new_key)"
add BRIDGE_OPERATOR_KEY "$(new_key)"
