#!/usr/bin/env bash
# Writes a bill of materials (CycloneDX 1.7, JSON) for each program and package that is shipped to artifacts/sbom, and fails if a dependency has a
# known vulnerability or a lock file contains an address. Needs restored projects and the tool in .config/dotnet-tools.json.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=artifacts/sbom
projects=(OllamaBridge.Gateway OllamaBridge.StateServer OllamaBridge.Simulator OllamaBridge.Hosting)

# Succeeds if the package source has data about vulnerabilities: it must report a known vulnerability (GHSA-5crp-9r3c-p9vr) of this old version.
knows_vulnerabilities() {
  local canary report
  canary=$(mktemp -d)
  cat > "$canary/canary.csproj" << 'XML'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net10.0</TargetFramework><NuGetAudit>false</NuGetAudit></PropertyGroup>
  <ItemGroup><PackageReference Include="Newtonsoft.Json" Version="12.0.3" /></ItemGroup>
</Project>
XML
  report=$(dotnet restore "$canary" && dotnet list "$canary" package --vulnerable) || true
  rm -rf "$canary"
  grep -q GHSA-5crp-9r3c-p9vr <<< "$report"
}

# Lock files must work with every registry.
# NuGet's "resolved" is a version, npm's is an address.
if grep -lE 'https?://' ./*/packages.lock.json clients/package-lock.json || grep -l '"resolved"' clients/package-lock.json; then
  echo "These lock files contain addresses."
  exit 1
fi
dotnet tool restore > /dev/null
rm -rf "$folder"
for project in "${projects[@]}"; do
  version=$(dotnet msbuild "$project" -target:MinVer -getProperty:Version)
  dotnet tool run dotnet-CycloneDX -- "$project/$project.csproj" --disable-package-restore --output-format Json --output "$folder" \
    --filename "$project.cdx.json" --set-name "$project" --set-version "$version" > /dev/null
  # A document without components means that the tool did not find the packages that the build resolved.
  count=$(grep -c '"purl": "pkg:nuget/' "$folder/$project.cdx.json" || true)
  [ "$count" -gt 0 ] || { echo "$folder/$project.cdx.json names no package."; exit 1; }
  echo "sbom: $folder/$project.cdx.json ($count packages)"

  report=$(dotnet list "$project" package --vulnerable --include-transitive)
  if ! grep -q 'no vulnerable packages' <<< "$report"; then
    echo "$report"
    exit 1
  fi
done
if knows_vulnerabilities; then
  echo "vulnerable packages: none in ${projects[*]}"
else
  echo "left out: vulnerable packages (the package source here has no data about them)"
fi
