#!/usr/bin/env bash
# Before an Ollama server ends its bridge gives it nothing new and moves what runs there to others (docs/operations.md, "Taking an instance
# away"). Ollama's image has bash, but nothing that speaks HTTP: /dev/tcp does.
#   hooks.sh stopping   preStop: drains this instance and waits until it is empty, or BRIDGE_DRAIN_SECONDS and a moment are over
#   hooks.sh started    postStart: where only the container was started anew, ends the drain; else nothing
# BRIDGE_ADDRESS (host:port), BRIDGE_DRAIN_SECONDS and POD_NAME come from the environment, an operator's key from a file: it is in no process'
# arguments. Whatever goes wrong, the server ends or starts all the same: exit status 0.
key_file=${BRIDGE_KEY_FILE:-/bridge-key/key}
# A drain holds for the pod. A container that is started anew within it must be used again; a new pod is another instance.
mark=${HOOK_STATE:-/hook-state}/drained
host=${BRIDGE_ADDRESS%:*} port=${BRIDGE_ADDRESS##*:}

say() { echo "hooks.sh: $*" >&2; }

# $1: path and query, $2: seconds to wait for the answer. Prints the status; nothing where there was no answer.
post() {
  local key= status line
  [ -r "$key_file" ] && IFS= read -r key < "$key_file"
  # In a shell of its own: a connection that cannot be made ends it.
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
  # Two more tries: the bridge that was asked may itself be about to end.
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

# Until the bridge knows the instance again, which takes until it is ready.
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
  # Behind the hook's back: the container counts as started only when its hook has ended.
  started) [ ! -e "$mark" ] || undrain < /dev/null > /dev/null 2>&1 & ;;
  *) say "stopping or started?" ;;
esac
exit 0
