using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;

namespace OllamaBridge.Hosting;

/// <summary>What can be done with an instance in the dashboard.</summary>
internal static class InstanceCommands
{
    /// <summary>Lets it finish what it has and gives it nothing new.</summary>
    public const string Drain = "bridge-drain";

    /// <summary>Lets it take requests again.</summary>
    public const string Undrain = "bridge-undrain";

    /// <summary>Brings a model into its memory.</summary>
    public const string Preload = "bridge-preload-model";

    /// <summary>Takes a model out of its memory.</summary>
    public const string Unload = "bridge-unload-model";

    /// <summary>The commands' argument.</summary>
    public const string Model = "model";

    /// <summary>Adds the commands.</summary>
    public static void WithInstanceCommands(this IResourceBuilder<OllamaBridgeResource> bridge, BridgeInstance instance)
    {
        var resource = instance.Resource;
        resource.WithCommand(Drain, "Drain", context => SetDrainingAsync(bridge.Resource, instance, "drain", context), new CommandOptions
        {
            Description = "The bridge sends this instance no new request; answers under way are finished.",
            IconName = "ArrowExit",
            UpdateState = WhileRunning,
        });
        resource.WithCommand(Undrain, "Undrain", context => SetDrainingAsync(bridge.Resource, instance, "undrain", context), new CommandOptions
        {
            Description = "The bridge sends this instance requests again.",
            IconName = "ArrowEnter",
            UpdateState = WhileRunning,
        });
        resource.WithCommand(Preload, "Preload model…", context => LoadAsync(bridge.Resource, instance, context), new CommandOptions
        {
            Description = "Brings a model into this instance's memory.",
            IconName = "ArrowUpload",
            Arguments = [ModelInput(Model, bridge.Resource)],
            UpdateState = WhileRunning,
        });
        resource.WithCommand(Unload, "Unload model…", context => UnloadAsync(bridge.Resource, instance, context), new CommandOptions
        {
            Description = "Takes a model out of this instance's memory.",
            IconName = "ArrowDownload",
            Arguments = [ModelInput(Model, bridge.Resource)],
            UpdateState = WhileRunning,
        });
    }

    /// <summary>Asks for a model: one of the fleet's, or another.</summary>
    public static InteractionInput ModelInput(string name, OllamaBridgeResource bridge) => new()
    {
        Name = name,
        Label = "Model",
        InputType = InputType.Choice,
        Required = true,
        AllowCustomChoice = true,
        // Models may be added after the command: they are read when the dialogue opens.
        DynamicLoading = new InputLoadOptions
        {
            LoadCallback = context =>
            {
                context.Input.Options = [.. bridge.Models.Select(m => KeyValuePair.Create(m, m))];
                context.Input.Value ??= bridge.Models.FirstOrDefault();
                return Task.CompletedTask;
            },
        },
    };

    /// <summary>Enabled while the resource runs.</summary>
    public static ResourceCommandState WhileRunning(UpdateCommandStateContext context) =>
        context.ResourceSnapshot.State?.Text == KnownResourceStates.Running ? ResourceCommandState.Enabled : ResourceCommandState.Disabled;

    /// <summary>An argument's value; the other where it was not given.</summary>
    public static string? Argument(ExecuteCommandContext context, string name, string? otherwise) =>
        context.Arguments.FirstOrDefault(a => a.Name == name)?.Value is { Length: > 0 } value ? value : otherwise;

    /// <summary>A client without a time limit of its own: loading a model takes as long as it takes; whoever asked can cancel.</summary>
    public static HttpClient CreateClient(ExecuteCommandContext context)
    {
        var client = context.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        client.Timeout = Timeout.InfiniteTimeSpan;
        return client;
    }

    /// <summary>Turns a server that does not answer into words.</summary>
    public static async Task<ExecuteCommandResult> GuardAsync(Func<Task<ExecuteCommandResult>> action)
    {
        try
        {
            return await action();
        }
        catch (HttpRequestException e)
        {
            return CommandResults.Failure(e.Message);
        }
        catch (OperationCanceledException)
        {
            return CommandResults.Canceled();
        }
    }

    /// <summary>The words in an error answer: Ollama's <c>error</c>, the admin API's <c>title</c>.</summary>
    public static string ErrorOf(string body)
    {
        try
        {
            var json = JsonNode.Parse(body);
            return (json?["error"] ?? json?["detail"] ?? json?["title"])?.ToString() ?? "no reason given";
        }
        catch (JsonException)
        {
            return "no reason given";
        }
    }

    private static async Task<ExecuteCommandResult> SetDrainingAsync(
        OllamaBridgeResource bridge, BridgeInstance instance, string verb, ExecuteCommandContext context)
    {
        using var client = CreateClient(context);
        return await GuardAsync(async () =>
        {
            using var answer = await client.PostAsync(
                new Uri($"{bridge.PrimaryEndpoint.Url}/bridge/instances/{instance.Name}/{verb}"), content: null, context.CancellationToken);
            var body = await answer.Content.ReadAsStringAsync(context.CancellationToken);
            if (!answer.IsSuccessStatusCode)
                return CommandResults.Failure($"{(int)answer.StatusCode}: {ErrorOf(body)}");
            var busy = JsonNode.Parse(body)?["slotsUsed"]?.GetValue<int>() ?? 0;
            return CommandResults.Success(verb == "drain"
                ? $"{instance.Name} gets no new request; {busy} under way."
                : $"{instance.Name} gets requests again.");
        });
    }

    private static async Task<ExecuteCommandResult> LoadAsync(OllamaBridgeResource bridge, BridgeInstance instance, ExecuteCommandContext context)
    {
        var model = Argument(context, Model, bridge.Models.FirstOrDefault());
        using var client = CreateClient(context);
        return await GuardAsync(async () =>
        {
            // A request without a prompt loads a model; one that only embeds refuses that, and is loaded by an empty input.
            using var generate = await PostAsync(client, instance, "/api/generate", new { model, stream = false }, context.CancellationToken);
            if (generate.StatusCode != HttpStatusCode.BadRequest)
                return await ReportAsync(generate, $"{model} is in the memory of {instance.Name}.", context.CancellationToken);
            using var embed = await PostAsync(client, instance, "/api/embed", new { model, input = "" }, context.CancellationToken);
            return await ReportAsync(embed, $"{model} is in the memory of {instance.Name}.", context.CancellationToken);
        });
    }

    private static async Task<ExecuteCommandResult> UnloadAsync(OllamaBridgeResource bridge, BridgeInstance instance, ExecuteCommandContext context)
    {
        var model = Argument(context, Model, bridge.Models.FirstOrDefault());
        using var client = CreateClient(context);
        return await GuardAsync(async () =>
        {
            using var answer = await PostAsync(client, instance, "/api/generate", new { model, stream = false, keep_alive = 0 }, context.CancellationToken);
            return await ReportAsync(answer, $"{model} is out of the memory of {instance.Name}.", context.CancellationToken);
        });
    }

    private static Task<HttpResponseMessage> PostAsync<T>(HttpClient client, BridgeInstance instance, string path, T body, CancellationToken cancellationToken) =>
        client.PostAsJsonAsync(new Uri((instance.Endpoint?.Url ?? instance.Url) + path), body, cancellationToken);

    private static async Task<ExecuteCommandResult> ReportAsync(HttpResponseMessage answer, string success, CancellationToken cancellationToken) =>
        answer.IsSuccessStatusCode
            ? CommandResults.Success(success)
            : CommandResults.Failure($"{(int)answer.StatusCode}: {ErrorOf(await answer.Content.ReadAsStringAsync(cancellationToken))}");
}
