using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>The commands of an instance in the dashboard.</summary>
internal static class InstanceCommands
{
    public const string Drain = "bridge-drain";
    public const string Undrain = "bridge-undrain";
    public const string Preload = "bridge-preload-model";
    public const string Unload = "bridge-unload-model";

    /// <summary>The argument of <see cref="Preload"/> and <see cref="Unload"/>.</summary>
    public const string Model = "model";

    /// <summary>Adds the commands.</summary>
    public static void WithInstanceCommands(this IResourceBuilder<IOllamaBridgeResource> bridge, BridgeInstance instance)
    {
        var resource = instance.Resource;
        var fleet = bridge.Resource.Fleet;
        resource.WithCommand(Drain, "Drain", context => SetDrainingAsync(fleet, instance, "drain", context), new CommandOptions
        {
            Description = "The bridge sends no new requests to this instance; running requests finish.",
            IconName = "ArrowExit",
            UpdateState = context => EnabledIf(IsRunning(context) && !IsDrained(context)),
        });
        resource.WithCommand(Undrain, "Undrain", context => SetDrainingAsync(fleet, instance, "undrain", context), new CommandOptions
        {
            Description = "The bridge sends requests to this instance again.",
            IconName = "ArrowEnter",
            UpdateState = context => EnabledIf(IsDrained(context)),
        });
        resource.WithCommand(Preload, "Preload model…", context => LoadAsync(fleet, instance, context), new CommandOptions
        {
            Description = "Loads a model into this instance's memory.",
            IconName = "ArrowUpload",
            Arguments = [ModelInput(Model, fleet)],
            UpdateState = WhileRunning,
        });
        resource.WithCommand(Unload, "Unload model…", context => UnloadAsync(fleet, instance, context), new CommandOptions
        {
            Description = "Removes a model from this instance's memory.",
            IconName = "ArrowDownload",
            Arguments = [ModelInput(Model, fleet)],
            UpdateState = WhileRunning,
        });
    }

    /// <summary>An input for a model: one of the fleet's, or another one.</summary>
    public static InteractionInput ModelInput(string name, BridgeModel fleet) => new()
    {
        Name = name,
        Label = "Model",
        InputType = InputType.Choice,
        Required = true,
        AllowCustomChoice = true,
        // Models can be added after the command: they are read when the dialog opens.
        DynamicLoading = new InputLoadOptions
        {
            LoadCallback = context =>
            {
                context.Input.Options = [.. fleet.Models.Select(m => KeyValuePair.Create(m, m))];
                context.Input.Value ??= fleet.Models.FirstOrDefault();
                return Task.CompletedTask;
            },
        },
    };

    /// <summary>Enabled while the resource runs, draining or not.</summary>
    public static ResourceCommandState WhileRunning(UpdateCommandStateContext context) => EnabledIf(IsRunning(context));

    /// <summary>An argument's value; a default if it was not given.</summary>
    public static string? Argument(ExecuteCommandContext context, string name, string? defaultValue) =>
        context.Arguments.FirstOrDefault(a => a.Name == name)?.Value is { Length: > 0 } value ? value : defaultValue;

    private static ResourceCommandState EnabledIf(bool condition) => condition ? ResourceCommandState.Enabled : ResourceCommandState.Disabled;

    private static bool IsRunning(UpdateCommandStateContext context) => DrainStates.IsRunning(context.ResourceSnapshot.State?.Text);

    private static bool IsDrained(UpdateCommandStateContext context) => DrainStates.IsDrain(context.ResourceSnapshot.State?.Text);

    private static Task<ExecuteCommandResult> SetDrainingAsync(BridgeModel fleet, BridgeInstance instance, string verb, ExecuteCommandContext context) =>
        BridgeClient.GuardAsync(async () =>
        {
            using var response = await BridgeClient.SendAsync(
                fleet, fleet.AdminEndpoint, HttpMethod.Post, $"/bridge/instances/{instance.Name}/{verb}", content: null, context.CancellationToken);
            var body = await response.Content.ReadAsStringAsync(context.CancellationToken);
            if (!response.IsSuccessStatusCode)
                return CommandResults.Failure($"{(int)response.StatusCode}: {BridgeClient.ErrorOf(body)}");
            var running = JsonNode.Parse(body)?["slotsUsed"]?.GetValue<int>() ?? 0;
            await DrainStates.PublishAsync(context.Services, instance, verb == "drain", running);
            return CommandResults.Success(verb == "drain"
                ? $"{instance.Name} receives no new requests; {running} are running."
                : $"{instance.Name} receives requests again.");
        });

    private static async Task<ExecuteCommandResult> LoadAsync(BridgeModel fleet, BridgeInstance instance, ExecuteCommandContext context)
    {
        var model = Argument(context, Model, fleet.Models.FirstOrDefault());
        return await BridgeClient.GuardAsync(async () =>
        {
            // A request without a prompt loads a model. An embedding model refuses it; an empty input loads that.
            using var generate = await BridgeClient.PostAsync(
                instance, "/api/generate", JsonContent.Create(new { model, stream = false }), context.CancellationToken);
            if (generate.StatusCode != HttpStatusCode.BadRequest)
                return await ReportAsync(generate, $"{model} is in the memory of {instance.Name}.", context.CancellationToken);
            using var embed = await BridgeClient.PostAsync(
                instance, "/api/embed", JsonContent.Create(new { model, input = "" }), context.CancellationToken);
            return await ReportAsync(embed, $"{model} is in the memory of {instance.Name}.", context.CancellationToken);
        });
    }

    private static async Task<ExecuteCommandResult> UnloadAsync(BridgeModel fleet, BridgeInstance instance, ExecuteCommandContext context)
    {
        var model = Argument(context, Model, fleet.Models.FirstOrDefault());
        return await BridgeClient.GuardAsync(async () =>
        {
            using var response = await BridgeClient.PostAsync(
                instance, "/api/generate", JsonContent.Create(new { model, stream = false, keep_alive = 0 }), context.CancellationToken);
            return await ReportAsync(response, $"{model} is no longer in the memory of {instance.Name}.", context.CancellationToken);
        });
    }

    private static async Task<ExecuteCommandResult> ReportAsync(HttpResponseMessage response, string success, CancellationToken cancellationToken) =>
        response.IsSuccessStatusCode
            ? CommandResults.Success(success)
            : CommandResults.Failure($"{(int)response.StatusCode}: {BridgeClient.ErrorOf(await response.Content.ReadAsStringAsync(cancellationToken))}");
}
