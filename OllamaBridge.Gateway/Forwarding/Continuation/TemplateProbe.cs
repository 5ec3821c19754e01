using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Finds out how models' templates treat answers that are to be gone on with: once for each model and way of thinking.</summary>
internal sealed class TemplateProbe(InstanceQuestions questions, IFleet fleet)
{
    // More than any fleet has models; beyond, they are found out anew.
    private const int MaxKnown = 1024;
    private readonly ConcurrentDictionary<(string Model, DateTimeOffset ModifiedAt, string Think), Asked> _known = new();

    /// <inheritdoc cref="InstanceQuestions.OpensTurnsAsync"/>
    public Task<bool> OpensTurnsAsync(Instance instance, CancellationToken cancellationToken) => questions.OpensTurnsAsync(instance, cancellationToken);

    /// <summary>What is known of a model; asked of an instance where nothing is.</summary>
    /// <param name="call">The request, for its model.</param>
    /// <param name="instance">Whom to ask.</param>
    /// <param name="think">What the request says of thinking; null for nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null where nobody tells.</returns>
    public async Task<TemplateFacts?> LearnAsync(BridgeCall call, Instance instance, JsonNode? think, CancellationToken cancellationToken)
    {
        var modified = default(DateTimeOffset);
        foreach (var view in fleet.Current.Instances)
            if (view.Instance == instance)
                foreach (var model in view.Catalog)
                    if (model.Key == call.ModelKey)
                        modified = model.ModifiedAt;
        var key = (call.ModelKey, modified, think?.ToJsonString() ?? "");
        if (_known.Count >= MaxKnown)
            _known.Clear();
        while (true)
        {
            // Whoever comes first asks, for all: not to be ended by a client that goes.
            var asked = _known.GetOrAdd(key, _ => new Asked(instance, new Lazy<Task<TemplateFacts?>>(() => AskAsync(call.SentModel!, instance, key.Item3))));
            var facts = await asked.Facts.Value.WaitAsync(cancellationToken);
            if (facts is not null)
                return facts;
            _known.TryRemove(KeyValuePair.Create(key, asked));
            // That another does not tell says nothing of this one: it may have died meanwhile.
            if (asked.Of == instance)
                return null;
        }
    }

    /// <summary>A question that was asked once for all who want to know.</summary>
    private sealed record Asked(Instance Of, Lazy<Task<TemplateFacts?>> Facts);

    private async Task<TemplateFacts?> AskAsync(string model, Instance instance, string think)
    {
        Task<string?> RenderAsync(JsonObject? answer) => questions.RenderAsync(instance, "/api/chat", Chat(answer), CancellationToken.None);
        JsonObject Chat(JsonObject? answer)
        {
            JsonArray messages = [new JsonObject { ["role"] = "user", ["content"] = "Why?" }];
            if (answer is not null)
                messages.Add(answer);
            var chat = new JsonObject { ["model"] = model, ["messages"] = messages };
            if (think.Length > 0)
                chat["think"] = JsonNode.Parse(think);
            return chat;
        }

        if (await questions.AskAsync(instance, "/api/show", new JsonObject { ["model"] = model }, CancellationToken.None) is not { } show)
            return null;
        var open = await RenderAsync(null);
        if (open is null && think.Length > 0 && !TemplateFacts.CanThink(show))
        {
            // On /v1/messages the server drops the wish for thinking if the model cannot think; elsewhere it refuses it.
            think = "";
            open = await RenderAsync(null);
        }

        if (open is null)
            return null;
        return TemplateFacts.From(open, await RenderAsync(new JsonObject { ["role"] = "assistant", ["content"] = TemplateFacts.Words }), show);
    }
}
