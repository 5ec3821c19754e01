# The gateway's image, without a .NET SDK on this machine:   docker build -t ollamabridge/gateway:0.2.0 --build-arg VERSION=0.2.0 .
# With the SDK:   dotnet publish OllamaBridge.Gateway -c Release /t:PublishContainer
# The context has no git history: a release gives its version. The default is that of Directory.Build.props.
ARG VERSION=0.2.0-alpha.0

FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
WORKDIR /source

# Project files first: a change of code only does not repeat the restore.
COPY global.json Directory.*.props Directory.Build.targets ./
COPY eng/ eng/
COPY OllamaBridge.ServiceDefaults/*.csproj OllamaBridge.ServiceDefaults/packages.lock.json OllamaBridge.ServiceDefaults/
COPY OllamaBridge.Gateway/*.csproj OllamaBridge.Gateway/packages.lock.json OllamaBridge.Gateway/
RUN dotnet restore OllamaBridge.Gateway --locked-mode

COPY OllamaBridge.ServiceDefaults/ OllamaBridge.ServiceDefaults/
COPY OllamaBridge.Gateway/ OllamaBridge.Gateway/
ARG VERSION
# Without a native executable (apphost) the output runs on every architecture.
RUN dotnet publish OllamaBridge.Gateway --configuration Release --no-restore --output /app -p:UseAppHost=false -p:Version="$VERSION"

FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
ARG VERSION
LABEL org.opencontainers.image.title="OllamaBridge" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.description="One Ollama address in front of many Ollama servers"
WORKDIR /app
COPY --from=build /app ./
# All interfaces of the container. The base image sets port 8080.
ENV ASPNETCORE_HTTP_PORTS=11400
EXPOSE 11400
# A numeric id, because Kubernetes cannot verify from a name that the user is not root.
USER $APP_UID
# No HEALTHCHECK, because the image has no shell and no curl. Probe /alive and /health from outside.
ENTRYPOINT ["dotnet", "OllamaBridge.Gateway.dll"]
