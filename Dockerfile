# The gateway's image for whoever has Docker but no .NET SDK:   docker build -t ollamabridge/gateway .
# With the SDK:   dotnet publish OllamaBridge.Gateway -c Release /t:PublishContainer
FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
WORKDIR /source

# What decides about packages comes first: a change to the code alone restores nothing again.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY eng/ eng/
COPY OllamaBridge.ServiceDefaults/*.csproj OllamaBridge.ServiceDefaults/
COPY OllamaBridge.Gateway/*.csproj OllamaBridge.Gateway/
RUN dotnet restore OllamaBridge.Gateway

COPY OllamaBridge.ServiceDefaults/ OllamaBridge.ServiceDefaults/
COPY OllamaBridge.Gateway/ OllamaBridge.Gateway/
# Without an executable of its own the output runs on every architecture.
RUN dotnet publish OllamaBridge.Gateway --configuration Release --no-restore --output /app -p:UseAppHost=false

FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
LABEL org.opencontainers.image.title="OllamaBridge" \
      org.opencontainers.image.description="One Ollama address in front of many Ollama servers"
WORKDIR /app
COPY --from=build /app ./
# All interfaces of the container. The base image has 8080 in it.
ENV ASPNETCORE_HTTP_PORTS=11400
EXPOSE 11400
# A number: Kubernetes cannot tell from a name that it is not root.
USER $APP_UID
# No HEALTHCHECK: there is no shell and no curl in here. Ask /alive and /health from outside.
ENTRYPOINT ["dotnet", "OllamaBridge.Gateway.dll"]
