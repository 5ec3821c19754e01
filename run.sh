#!/usr/bin/env bash
# Builds and starts the bridge in front of three instances as an Aspire application with a dashboard. Ctrl-C stops everything.
# If Aspire's packages cannot be restored, or with BRIDGE_STANDALONE=1, it starts the bridge without the dashboard.
#   BRIDGE_STANDALONE=1   no dashboard
#   BRIDGE_URLS=http://10.0.0.5:11434,http://10.0.0.6:11434   existing instances
#   BRIDGE_PORT=11400     the bridge's port on 127.0.0.1
#   BRIDGE_ADMIN_PORT     the operators' port (fleet page, admin API, metrics), by default BRIDGE_PORT + 1
#   BRIDGE_SLOTS=4        parallel requests of each instance (OLLAMA_NUM_PARALLEL)
#   INSTANCE_PORT=11501   first port of the instances, without the dashboard
# Further arguments are settings of the application, such as --Fleet:Instances=5 (docs/aspire.md).
set -euo pipefail
cd "$(dirname "$0")"
. eng/left-out.sh

port=${BRIDGE_PORT:-11400}
admin_port=${BRIDGE_ADMIN_PORT:-$((port + 1))}
slots=${BRIDGE_SLOTS:-4}
first=${INSTANCE_PORT:-11501}
configuration=${CONFIGURATION:-Release}
url="http://127.0.0.1:$port"
admin="http://127.0.0.1:$admin_port"
children=()

stop() {
  trap - EXIT INT TERM
  local child
  for child in "${children[@]}"; do kill -TERM "$child" 2> /dev/null || true; done
  wait 2> /dev/null || true
}
trap stop EXIT
trap 'echo; echo "Stopping."; exit 0' INT TERM

listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# $1: port, $2: id of the process that must listen there.
await() {
  local i
  for ((i = 0; i < 300; i++)); do
    listens "$1" && return 0
    kill -0 "$2" 2> /dev/null || { echo "The process for port $1 has ended; see above."; exit 1; }
    sleep 0.1
  done
  echo "No process listens on port $1 after 30 s."
  exit 1
}

build() {
  dotnet build "$1" --configuration "$configuration" --nologo --verbosity quiet > /dev/null \
    || dotnet build "$1" --configuration "$configuration" --nologo --verbosity minimal
}

command -v dotnet > /dev/null || { echo "The .NET 10 SDK is needed: https://dot.net/download"; exit 1; }
if listens "$port"; then
  echo "Port $port is taken; choose another with BRIDGE_PORT=…"
  exit 1
fi
if listens "$admin_port"; then
  echo "Port $admin_port is taken; choose another with BRIDGE_ADMIN_PORT=…"
  exit 1
fi

if [ -z "${BRIDGE_STANDALONE:-}" ]; then
  restore=$(mktemp)
  if dotnet restore OllamaBridge.AppHost --verbosity quiet > "$restore" 2>&1; then
    rm -f "$restore"
    left_out
    echo "Building the application (a first build takes one to four minutes)…"
    build OllamaBridge.AppHost
    echo "Starting the application; the dashboard's login URL follows. The bridge will answer on $url."
    trap - EXIT INT TERM
    exec dotnet run --project OllamaBridge.AppHost --configuration "$configuration" --no-build --launch-profile http -- \
      --Fleet:Port="$port" --Fleet:AdminPort="$admin_port" --Fleet:Server:Parallel="$slots" ${BRIDGE_URLS:+--Fleet:Urls="$BRIDGE_URLS"} "$@"
  fi
  missing=$(grep -oE "(Unable to find package|Could not resolve SDK|[(]>= [^)]*[)] but) \"?[A-Za-z0-9.]+" "$restore" | grep -oE '[A-Za-z0-9.]+$' | sed 's/\.$//' | sort -u | paste -sd, | sed 's/,/, /g' || true)
  rm -f "$restore"
  echo "No dashboard: Aspire's packages cannot be restored here (${missing:-dotnet restore OllamaBridge.AppHost shows why}). Starting the bridge without it."
fi

echo "Building…"
build OllamaBridge.Gateway

ports=("$first" $((first + 1)) $((first + 2)))
model=deepseek-r1:7b
hint=
if [ -n "${BRIDGE_URLS:-}" ]; then
  urls=$BRIDGE_URLS
  backends="the instances in BRIDGE_URLS: $urls"
elif command -v ollama > /dev/null; then
  backends="three local Ollama servers that share one model folder (BRIDGE_URLS is not set, ollama is on PATH)"
  for i in 0 1 2; do
    listens "${ports[$i]}" && { echo "Port ${ports[$i]} is taken; choose others with INSTANCE_PORT=…"; exit 1; }
    # Only one server may prune the shared folder at its start.
    OLLAMA_HOST="127.0.0.1:${ports[$i]}" OLLAMA_NUM_PARALLEL="$slots" OLLAMA_NOPRUNE=$((i > 0 ? 1 : 0)) \
      ollama serve > /dev/null 2>&1 &
    children+=($!)
    await "${ports[$i]}" "$!"
  done
  model=$(OLLAMA_HOST="127.0.0.1:$first" ollama list 2> /dev/null | awk 'NR == 2 { print $1 }' || true)
  if [ -z "$model" ]; then
    model=deepseek-r1:7b
    hint="There is no model yet. Pull one: curl $url/api/pull -d '{\"model\":\"$model\"}'"
  fi
else
  backends="three simulated servers with two DeepSeek models (BRIDGE_URLS is not set, ollama is not on PATH)"
  for p in "${ports[@]}"; do
    listens "$p" && { echo "Port $p is taken; choose others with INSTANCE_PORT=…"; exit 1; }
  done
  build OllamaBridge.Simulator
  dotnet "OllamaBridge.Simulator/bin/$configuration/net10.0/OllamaBridge.Simulator.dll" \
    --ports "$(IFS=,; echo "${ports[*]}")" --models deepseek-r1:7b,deepseek-r1:1.5b --slots "$slots" > /dev/null &
  children+=($!)
  for p in "${ports[@]}"; do await "$p" "$!"; done
fi
urls=${urls:-$(printf 'http://127.0.0.1:%s,' "${ports[@]}")}

Bridge__Urls=${urls%,} Bridge__Slots=$slots ASPNETCORE_URLS=$url Bridge__Admin__Urls=$admin DOTNET_CONTENTROOT="$PWD/OllamaBridge.Gateway" \
  dotnet "OllamaBridge.Gateway/bin/$configuration/net10.0/OllamaBridge.Gateway.dll" &
children+=($!)
await "$port" "$!"

cat << TEXT

OllamaBridge answers on $url
in front of $backends.
${hint:+
$hint
}
  curl $url/api/chat -d '{"model":"$model","messages":[{"role":"user","content":"Why is the sky blue?"}]}'

Fleet page               $admin/bridge/
Admin API                $admin/bridge/openapi.json (for example /bridge/instances)
Metrics, health          $admin/metrics, $admin/health
OpenAI clients           base URL $url/v1, any key
Anthropic clients        base URL $url

Ctrl-C stops the bridge and the instances that this script started.

TEXT
wait "${children[-1]}"
