#!/usr/bin/env bash
# Drains an Ollama server through the bridge before it ends: the bridge sends it no new requests and moves running responses to other instances
# (docs/operations/drain.md). Ollama's image has bash but no HTTP client, so requests use /dev/tcp.
#   hooks.sh stopping   preStop: drains this instance and waits until it is empty, for at most BRIDGE_DRAIN_SECONDS and 5 s
#   hooks.sh started    postStart: ends the drain if only the container was restarted; otherwise does nothing
# BRIDGE_ADDRESS (host:port), BRIDGE_DRAIN_SECONDS and POD_NAME come from the environment. The key, with the scope Drain, comes from a file, so that it
# is in no process's arguments. The exit status is always 0: the server starts or ends in any case.
key_file=${BRIDGE_KEY_FILE:-/bridge-key/key}
# A drain applies to the pod. A restarted container in the same pod must be used again; a new pod is another instance.
mark=${HOOK_STATE:-/hook-state}/drained
host=${BRIDGE_ADDRESS%:*} port=${BRIDGE_ADDRESS##*:}

say() { echo "hooks.sh: $*" >&2; }

# $1: path and query, $2: seconds to wait for the response. Prints the status, or nothing without a response.
post() {
  local key= status line
  [ -r "$key_file" ] && IFS= read -r key < "$key_file"
  # In a subshell, because a failed connection exits the shell.
  (
    exec 3<> "/dev/tcp/$host/$port" || exit 1
    printf 'POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$host" "$key" >&3
    IFS= read -r -t "$2" line <&3 || exit 1
    status=${line#* }
    printf '%s' "${status%% *}"
  ) 2> /dev/null
}

stopping() {
  local status i left
  : > "$mark" 2> /dev/null
  # Two retries: the bridge that received the request may itself be stopping.
  for i in 1 2 3; do
    left=$((BRIDGE_DRAIN_SECONDS - SECONDS))
    [ $left -ge 0 ] || return
    status=$(post "/bridge/instances/$POD_NAME/drain?deadline=$left&wait=true" $((left + 5)))
    case $status in
      200) say "$POD_NAME is empty, or its time is over"; return ;;
      404) say "the bridge does not know $POD_NAME"; return ;;
      401 | 403) say "the bridge does not take the key in $key_file"; return ;;
    esac
    say "no drain: ${status:-no answer} from $BRIDGE_ADDRESS"
    sleep 1
  done
}

# Retries until the bridge knows the instance again, which takes until the pod is ready.
undrain() {
  local i
  for ((i = 0; i < ${UNDRAIN_TRIES:-300}; i++)); do
    if [ "$(post "/bridge/instances/$POD_NAME/undrain" 5)" = 200 ]; then
      rm -f "$mark"
      return
    fi
    sleep "${UNDRAIN_INTERVAL:-2}"
  done
}

case ${1:-} in
  stopping) stopping ;;
  # In the background: the container counts as started only after its hook has ended.
  started) [ ! -e "$mark" ] || undrain < /dev/null > /dev/null 2>&1 & ;;
  *) say "usage: hooks.sh stopping|started" ;;
esac
exit 0
