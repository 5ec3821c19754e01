using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>The bridge's links and its command in the dashboard.</summary>
internal static class BridgeCommands
{
    /// <summary>The command's name.</summary>
    public const string TestPrompt = "bridge-test-prompt";

    private const string Model = "model";
    private const string Prompt = "prompt";
    private const int MaxPrompt = 4000;

    private const string PagePath = "/bridge/";
    private const string DescriptionPath = "/bridge/openapi.json";
    private const string MetricsPath = "/metrics";

    /// <summary>Adds links to the bridge, its fleet page, its admin API and its metrics, and says in the log where they are.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithBridgeLinks(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        var http = bridge.Resource.PrimaryEndpoint;
        return bridge
            .WithUrlForEndpoint(OllamaBridgeResource.HttpEndpoint, url => url.DisplayText = "Bridge")
            .WithUrl($"{http}{PagePath}", "Fleet page")
            .WithUrl($"{http}/bridge/instances", "Admin: instances")
            .WithUrl($"{http}/bridge/queue", "Admin: queue")
            .WithUrl($"{http}{DescriptionPath}", "Admin: OpenAPI")
            .WithUrl($"{http}{MetricsPath}", "Metrics")
            .OnResourceEndpointsAllocated((resource, allocated, _) =>
            {
                var logger = allocated.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(OllamaBridgeResource).Namespace!);
                var url = resource.PrimaryEndpoint.Url;
                HostingLog.Addresses(logger, resource.Name, url, url + PagePath, url + DescriptionPath, url + MetricsPath);
                return Task.CompletedTask;
            });
    }

    /// <summary>Adds <em>Send a test prompt</em>, which shows the answer and who gave it.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithTestPrompt(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        bridge.ApplicationBuilder.Services.AddHttpClient();
        return bridge.WithCommand(TestPrompt, "Send a test prompt", context => SendAsync(bridge.Resource, context), new CommandOptions
        {
            Description = "Asks a model through the bridge and shows the answer.",
            IconName = "ChatSparkle",
            IsHighlighted = true,
            Arguments =
            [
                InstanceCommands.ModelInput(Model, bridge.Resource),
                new InteractionInput
                {
                    Name = Prompt, Label = "Prompt", InputType = InputType.Text, Required = true, MaxLength = MaxPrompt, Value = "Why is the sky blue?",
                },
            ],
            UpdateState = InstanceCommands.WhileRunning,
        });
    }

    private static async Task<ExecuteCommandResult> SendAsync(OllamaBridgeResource bridge, ExecuteCommandContext context)
    {
        var model = InstanceCommands.Argument(context, Model, bridge.Models.FirstOrDefault());
        var prompt = InstanceCommands.Argument(context, Prompt, "Why is the sky blue?");
        using var client = InstanceCommands.CreateClient(context);
        return await InstanceCommands.GuardAsync(async () =>
        {
            using var answer = await client.PostAsJsonAsync(
                new Uri($"{bridge.PrimaryEndpoint.Url}/api/chat"),
                new { model, stream = false, messages = new[] { new { role = "user", content = prompt } } },
                context.CancellationToken);
            var body = await answer.Content.ReadAsStringAsync(context.CancellationToken);
            if (!answer.IsSuccessStatusCode)
                return CommandResults.Failure($"{(int)answer.StatusCode}: {InstanceCommands.ErrorOf(body)}");
            var instance = answer.Headers.TryGetValues("X-Bridge-Instance", out var names) ? names.First() : "an instance";
            var text = JsonNode.Parse(body)?["message"]?["content"]?.GetValue<string>() ?? "";
            return CommandResults.Success($"{model} on {instance} answered.", text, CommandResultFormat.Markdown, displayImmediately: true);
        });
    }
}
