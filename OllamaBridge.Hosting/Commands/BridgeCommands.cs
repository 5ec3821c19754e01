using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>The bridge's links and its command in the dashboard.</summary>
internal static class BridgeCommands
{
    public const string TestPrompt = "bridge-test-prompt";

    private const string Model = "model";
    private const string Prompt = "prompt";
    private const string DefaultPrompt = "Why is the sky blue?";
    private const int MaxPrompt = 4000;

    private const string PagePath = "/bridge/";
    private const string DescriptionPath = "/bridge/openapi.json";
    private const string MetricsPath = "/metrics";

    /// <summary>Adds links to the bridge and its fleet page; the operators' links appear among the details. Logs the addresses once they are known.</summary>
    public static IResourceBuilder<IOllamaBridgeResource> WithBridgeLinks(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        var admin = bridge.Resource.AdminEndpoint;
        return bridge
            .WithUrlForEndpoint(BridgeModel.HttpEndpoint, url => url.DisplayText = "Bridge")
            .WithUrlForEndpoint(BridgeModel.AdminEndpointName, url => url.DisplayLocation = UrlDisplayLocation.DetailsOnly)
            .WithUrl($"{admin}{PagePath}", "Fleet page")
            .WithDetailsUrl(admin, "/bridge/instances", "Admin: instances")
            .WithDetailsUrl(admin, "/bridge/queue", "Admin: queue")
            .WithDetailsUrl(admin, DescriptionPath, "Admin: OpenAPI")
            .WithDetailsUrl(admin, MetricsPath, "Metrics")
            .OnResourceEndpointsAllocated((resource, allocated, _) =>
            {
                var logger = allocated.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(BridgeCommands).Namespace!);
                var url = resource.AdminEndpoint.Url;
                HostingLog.Addresses(logger, resource.Name, resource.PrimaryEndpoint.Url, url + PagePath, url + DescriptionPath, url + MetricsPath);
                return Task.CompletedTask;
            });
    }

    /// <summary>Adds the command <em>Send a test prompt</em>, which shows the response and the instance that served it.</summary>
    public static IResourceBuilder<IOllamaBridgeResource> WithTestPrompt(this IResourceBuilder<IOllamaBridgeResource> bridge) =>
        bridge.WithCommand(TestPrompt, "Send a test prompt", context => SendAsync(bridge.Resource.Fleet, context), new CommandOptions
        {
            Description = "Sends a prompt to a model through the bridge and shows the response.",
            IconName = "ChatSparkle",
            IsHighlighted = true,
            // The dashboard focuses the first input; it must be a text input (a list whose options load later can crash the dialog).
            Arguments =
            [
                new InteractionInput
                {
                    Name = Prompt, Label = "Prompt", InputType = InputType.Text, Required = true, MaxLength = MaxPrompt, Value = DefaultPrompt,
                },
                InstanceCommands.ModelInput(Model, bridge.Resource.Fleet),
            ],
            UpdateState = InstanceCommands.WhileRunning,
        });

    private static IResourceBuilder<IOllamaBridgeResource> WithDetailsUrl(
        this IResourceBuilder<IOllamaBridgeResource> bridge, EndpointReference endpoint, string path, string text) =>
        bridge.WithUrls(context => context.Urls.Add(new ResourceUrlAnnotation
        {
            Url = endpoint.IsAllocated ? endpoint.Url + path : path,
            DisplayText = text,
            DisplayLocation = UrlDisplayLocation.DetailsOnly,
        }));

    private static async Task<ExecuteCommandResult> SendAsync(BridgeModel fleet, ExecuteCommandContext context)
    {
        var model = InstanceCommands.Argument(context, Model, fleet.Models.FirstOrDefault());
        var prompt = InstanceCommands.Argument(context, Prompt, DefaultPrompt);
        return await BridgeClient.GuardAsync(async () =>
        {
            using var response = await BridgeClient.SendAsync(
                fleet,
                fleet.PrimaryEndpoint,
                HttpMethod.Post,
                "/api/chat",
                JsonContent.Create(new { model, stream = false, messages = new[] { new { role = "user", content = prompt } } }),
                context.CancellationToken);
            var body = await response.Content.ReadAsStringAsync(context.CancellationToken);
            if (!response.IsSuccessStatusCode)
                return CommandResults.Failure($"{(int)response.StatusCode}: {BridgeClient.ErrorOf(body)}");
            var instance = response.Headers.TryGetValues("X-Bridge-Instance", out var names) ? names.First() : "an instance";
            var text = JsonNode.Parse(body)?["message"]?["content"]?.GetValue<string>() ?? "";
            return CommandResults.Success($"{model} on {instance} answered.", text, CommandResultFormat.Markdown, displayImmediately: true);
        });
    }
}
