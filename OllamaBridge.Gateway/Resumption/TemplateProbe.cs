using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Determines once for each model and setting for thinking how its template treats responses that are to be resumed.</summary>
internal sealed class TemplateProbe(InstanceQueries questions, IFleet fleet)
{
    // More models than any fleet has. Above that all are determined again.
    private const int MaxKnown = 1024;
    private readonly ConcurrentDictionary<(string Model, DateTimeOffset ModifiedAt, string Think), Asked> _known = new();

    public Task<bool> OpensTurnsAsync(Instance instance, CancellationToken cancellationToken) => questions.OpensTurnsAsync(instance, cancellationToken);

    /// <param name="think">The request's setting; null for none.</param>
    /// <returns>Null if no instance provides the facts.</returns>
    public async Task<TemplateFacts?> LearnAsync(ForwardedCall call, Instance instance, JsonNode? think, CancellationToken cancellationToken)
    {
        var modified = default(DateTimeOffset);
        foreach (var view in fleet.Current.Instances)
            if (view.Instance == instance)
                foreach (var model in view.Catalog)
                    if (model.Key == call.Model.Key)
                        modified = model.ModifiedAt;
        var key = (call.Model.Key, modified, think?.ToJsonString() ?? "");
        if (_known.Count >= MaxKnown)
            _known.Clear();
        while (true)
        {
            // The first request queries for all others, so its client must not cancel the query.
            var asked = _known.GetOrAdd(key, _ => new Asked(instance, new Lazy<Task<TemplateFacts?>>(() => AskAsync(call.Model.SentName!, instance, key.Item3))));
            var facts = await asked.Facts.Value.WaitAsync(cancellationToken);
            if (facts is not null)
                return facts;
            _known.TryRemove(KeyValuePair.Create(key, asked));
            // Another instance's failure is no evidence about this one: it may have died meanwhile.
            if (asked.Of == instance)
                return null;
        }
    }

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
            // On /v1/messages the server ignores the setting for thinking if the model cannot think. On other routes it refuses it.
            think = "";
            open = await RenderAsync(null);
        }

        if (open is null)
            return null;
        return TemplateFacts.From(open, await RenderAsync(new JsonObject { ["role"] = "assistant", ["content"] = TemplateFacts.Words }), show);
    }
}
