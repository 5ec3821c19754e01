#!/usr/bin/env bash
# Mutation testing: changes the gateway's code in small ways, and counts the changes that no unit test detects. Reports are in artifacts/mutation.
#   eng/mutation.sh                        everything that OllamaBridge.Gateway.Tests/stryker-config.json names; takes hours on one core
#   eng/mutation.sh 'Scheduling/Pickers/**'   only files of the Gateway that match; further arguments are further patterns
#   CONCURRENCY=4 eng/mutation.sh          four test processes
# The analysis of coverage is off in the configuration: with it, the first test run of Stryker 5.1.0 on Microsoft.Testing.Platform does not end.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=(--config-file stryker-config.json --concurrency "${CONCURRENCY:-1}" --output "$PWD/artifacts/mutation" --skip-version-check)
for pattern in "$@"; do arguments+=(--mutate "$pattern"); done

dotnet tool restore > /dev/null
# Stryker looks for the project under test among the references of the project in the current directory.
cd OllamaBridge.Gateway.Tests
exec dotnet tool run dotnet-stryker -- "${arguments[@]}"
