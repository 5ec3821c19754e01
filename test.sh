#!/usr/bin/env bash
# Builds and runs every test that this machine can restore. Prints each part that it leaves out, ends with
# "N passed, N failed, N skipped", and exits with 0 only if every test that can run has passed.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. eng/left-out.sh

configuration=${CONFIGURATION:-Release}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0 broken=0 times=()

if ! command -v dotnet > /dev/null; then
  echo "The .NET 10 SDK is needed: https://dot.net/download"
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi

# $1: project. Prints one line and fails if its packages cannot be restored here. A difference from packages.lock.json is an error.
can_restore() {
  dotnet restore "$1" --locked-mode --verbosity quiet > "$log/restore" 2>&1 && return 0
  local missing
  missing=$(grep -oE "(Unable to find package|Could not resolve SDK|[(]>= [^)]*[)] but) \"?[A-Za-z0-9.]+" "$log/restore" | grep -oE '[A-Za-z0-9.]+$' | sed 's/\.$//' | sort -u | paste -sd, | sed 's/,/, /g')
  if [ -n "$missing" ]; then
    echo "left out: $1 (its packages cannot be restored here: $missing)"
    return 1
  fi
  cat "$log/restore"
  broken=1
  return 1
}

# $1: project. Warnings are errors.
build() {
  dotnet build "$1" --configuration "$configuration" --no-restore --nologo --verbosity quiet > "$log/build" 2>&1 && return 0
  cat "$log/build"
  broken=1
  return 1
}

for project in OllamaBridge.AppHost OllamaBridge.Benchmarks; do
  [ -d "$project" ] || continue
  can_restore "$project" && build "$project" && echo "built: $project"
done

left_out

# The tests of npm clients need Node.js and a registry that can be reached.
if command -v npm > /dev/null; then
  npm ci --prefix clients --silent --no-progress > "$log/npm" 2>&1 || echo "left out: the npm clients (npm ci failed: $(grep -m1 -oE 'E[A-Z0-9]{3,}' "$log/npm" || echo unknown error))"
else
  echo "left out: the npm clients (npm is not on PATH)"
fi

# The unit tests first: they fail fastest.
for project in OllamaBridge.Gateway.Tests OllamaBridge.Simulator.Tests OllamaBridge.Gateway.FunctionalTests OllamaBridge.Tests; do
  [ -d "$project" ] || continue
  can_restore "$project" && build "$project" || continue
  echo "running: $project"
  begun=$SECONDS
  dotnet "$project/bin/$configuration/net10.0/$project.dll" -noColor -noLogo 2>&1 | tee "$log/run"
  code=${PIPESTATUS[0]}
  times+=("$project: $((SECONDS - begun)) s")
  summary=$(grep -E 'Total: *[0-9]+, Errors: *[0-9]+, Failed: *[0-9]+, Skipped: *[0-9]+' "$log/run" | tail -n 1)
  number() { sed -E "s/.*$1: *([0-9]+).*/\1/" <<< "$summary"; }
  if [ -z "$summary" ]; then
    echo "$project ended without a summary (exit status $code)"
    broken=1
    continue
  fi
  bad=$(($(number Errors) + $(number Failed)))
  skip=$(($(number Skipped) + $(grep -qE 'Not Run: *[0-9]+' <<< "$summary" && number 'Not Run' || echo 0)))
  passed=$((passed + $(number Total) - bad - skip))
  failed=$((failed + bad))
  skipped=$((skipped + skip))
  if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then
    echo "$project ended with status $code although no test failed"
    broken=1
  fi
done

eng/prose.sh > "$log/prose" || { cat "$log/prose"; broken=1; }

# Last, because it uses the packages that the builds above have restored.
if dotnet tool restore > "$log/tools" 2>&1; then
  for project in OllamaBridge.Simulator OllamaBridge.StateServer; do can_restore "$project" || true; done
  eng/supply-chain.sh || broken=1
else
  echo "left out: bill of materials and vulnerable packages (dotnet tool restore failed)"
fi

[ "$broken" -eq 0 ] || failed=$((failed + 1))
[ ${#times[@]} -eq 0 ] || printf '%s\n' "${times[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
