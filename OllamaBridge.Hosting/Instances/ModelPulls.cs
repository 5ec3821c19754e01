using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Exceptions;

namespace OllamaBridge.Hosting;

/// <summary>Pulls models through an instance, when it is ready and again on command.</summary>
internal static class ModelPulls
{
    /// <summary>The name of the command that pulls again.</summary>
    public const string Retry = "bridge-pull-model";

    private const string Failed = "Pull failed";

    /// <summary>Adds the pull of a model.</summary>
    public static IResourceBuilder<OllamaModelPullResource> AddModelPull(
        this IDistributedApplicationBuilder builder, string name, string model, IResourceBuilder<IResourceWithEndpoints> owner, EndpointReference endpoint)
    {
        var resource = new OllamaModelPullResource(name, model, owner.Resource, endpoint);
        var pull = builder.AddResource(resource)
            .WithIconName("ArrowDownload")
            .WithInitialState(new CustomResourceSnapshot
            {
                ResourceType = "Ollama model",
                State = KnownResourceStates.Waiting,
                Properties = [new(CustomResourceKnownProperties.Source, model)],
            })
            .WithCommand(Retry, "Retry", context => RetryAsync(resource, context), new CommandOptions
            {
                Description = "Pulls the model again.",
                IconName = "ArrowClockwise",
                IsHighlighted = true,
                UpdateState = context => context.ResourceSnapshot.State?.Text == Failed ? ResourceCommandState.Enabled : ResourceCommandState.Disabled,
            });
        owner.OnResourceReady((server, ready, cancellationToken) =>
        {
            // The pull takes minutes; resources that wait for this server do not wait for its models.
            var stopping = ready.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            _ = PullAsync(resource, ready.Services, stopping);
            return Task.CompletedTask;
        });
        return pull;
    }

    private static async Task<ExecuteCommandResult> RetryAsync(OllamaModelPullResource resource, ExecuteCommandContext context) =>
        await PullAsync(resource, context.Services, context.CancellationToken) is { } error
            ? CommandResults.Failure(error)
            : CommandResults.Success($"{resource.Model} is ready.");

    /// <summary>Pulls the model unless the server has it.</summary>
    /// <returns>The error; null after success.</returns>
    private static async Task<string?> PullAsync(OllamaModelPullResource resource, IServiceProvider services, CancellationToken cancellationToken)
    {
        var states = services.GetRequiredService<ResourceNotificationService>();
        var logger = services.GetRequiredService<ResourceLoggerService>().GetLogger(resource);
        try
        {
            await PublishAsync(states, resource, "Checking", KnownResourceStateStyles.Info);
            using var http = new HttpClient { BaseAddress = new Uri(resource.Endpoint.Url), Timeout = Timeout.InfiniteTimeSpan };
            using var client = new OllamaApiClient(http);
            var models = await client.ListLocalModelsAsync(cancellationToken);
            if (!models.Any(m => string.Equals(m.Name, resource.Model, StringComparison.OrdinalIgnoreCase)))
                await DownloadAsync(client, resource, states, logger, cancellationToken);
            await PublishAsync(states, resource, KnownResourceStates.Running, KnownResourceStateStyles.Success);
            return null;
        }
        catch (OperationCanceledException)
        {
            await PublishAsync(states, resource, Failed, KnownResourceStateStyles.Warn);
            return "The pull was canceled.";
        }
        catch (Exception e) when (e is HttpRequestException or OllamaException or JsonException or IOException or InvalidOperationException)
        {
            HostingLog.PullFailed(logger, resource.Model, e.Message);
            await PublishAsync(states, resource, Failed, KnownResourceStateStyles.Error, e.Message);
            return e.Message;
        }
    }

    private static async Task DownloadAsync(
        OllamaApiClient client, OllamaModelPullResource resource, ResourceNotificationService states, ILogger logger, CancellationToken cancellationToken)
    {
        HostingLog.PullStarted(logger, resource.Model);
        var shown = "";
        await foreach (var progress in client.PullModelAsync(new PullModelRequest { Model = resource.Model }, cancellationToken))
        {
            if (Describe(progress) is var text && text == shown)
                continue;
            shown = text;
            await PublishAsync(states, resource, text, KnownResourceStateStyles.Info);
        }

        // A server reports a failed pull in the stream, at status 200. Only its own list proves that the model is there.
        var models = await client.ListLocalModelsAsync(cancellationToken);
        if (!models.Any(m => string.Equals(m.Name, resource.Model, StringComparison.OrdinalIgnoreCase)))
            throw new InvalidOperationException($"The server ended the pull of {resource.Model} without the model: {shown}");
    }

    private static string Describe(PullModelResponse? progress) => progress is { Total: > 0 }
        ? string.Create(CultureInfo.InvariantCulture, $"Pulling {progress.Percent:0} %")
        : progress?.Status ?? "Pulling";

    private static Task PublishAsync(
        ResourceNotificationService states, OllamaModelPullResource resource, string text, string style, string? error = null) =>
        states.PublishUpdateAsync(resource, snapshot => snapshot with
        {
            State = new ResourceStateSnapshot(text, style),
            Properties = WithError(snapshot.Properties, error),
        });

    private static ImmutableArray<ResourcePropertySnapshot> WithError(ImmutableArray<ResourcePropertySnapshot> properties, string? error)
    {
        var others = properties.RemoveAll(p => p.Name == "Error");
        return error is null ? others : others.Add(new ResourcePropertySnapshot("Error", error));
    }
}
