using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What of a model's instances a request can use: those that have its route, and know the model as the client wrote it.</summary>
/// <param name="Route">The route; none where that makes no difference.</param>
/// <param name="Name">The model's name as the client wrote it; null where that makes no difference.</param>
internal readonly record struct ModelPart(ApiRoutes Route, string? Name);

/// <summary>
/// The parts of a model that is also, or only, on servers that speak OpenAI's API alone: made once for each snapshot, so that a
/// request finds its own without a search.
/// </summary>
/// <remarks>
/// Ollama reads names without regard to case and with a tag filled in; those servers compare to the letter. Therefore one model of the
/// fleet may go by several ids there, and a request may use only those servers that have the very name it wrote.
/// </remarks>
internal sealed class ModelParts
{
    private static readonly ApiRoutes[] Routes =
        [ApiRoutes.Ollama, ApiRoutes.OpenAI, ApiRoutes.Responses, ApiRoutes.Messages, ApiRoutes.Transcriptions];

    // By id, for each route; the last for names that no such server has.
    private readonly Dictionary<string, ModelView?[]> _byId = new(StringComparer.Ordinal);
    private readonly ModelView?[] _others;

    private ModelParts(ModelView whole)
    {
        var views = new List<ModelView> { whole };
        _others = Divide(whole, null, views);
        foreach (var placement in whole.Placements)
            if (placement.Id is { } id && !_byId.ContainsKey(id))
                _byId[id] = Divide(whole, id, views);
    }

    /// <summary>The parts of a model; null where it is on Ollama servers alone, which can do everything.</summary>
    public static ModelParts? Of(ModelView whole)
    {
        foreach (var placement in whole.Placements)
            if (placement.Id is not null)
                return new ModelParts(whole);
        return null;
    }

    /// <summary>What a request can use.</summary>
    /// <returns>Null where that is nothing.</returns>
    public ModelView? Find(in ModelPart part)
    {
        var views = part.Name is not null && _byId.TryGetValue(part.Name, out var known) ? known : _others;
        return views[Math.Max(0, Array.IndexOf(Routes, part.Route))];
    }

    /// <param name="whole">The model.</param>
    /// <param name="id">The name that is asked for.</param>
    /// <param name="known">The parts that there are already. Equal parts are one: those who can use the same wait in the same queue.</param>
    private static ModelView?[] Divide(ModelView whole, string? id, List<ModelView> known)
    {
        var views = new ModelView?[Routes.Length];
        for (var i = 0; i < Routes.Length; i++)
        {
            var route = Routes[i];
            var placements = whole.Placements.RemoveAll(p => p.Id is not null && (p.Id != id || (p.Instance.Routes & route) == 0));
            if (placements.IsEmpty)
                continue;
            views[i] = known.Find(v => v.Placements.SequenceEqual(placements));
            if (views[i] is null)
                known.Add(views[i] = new ModelView(whole.Name, whole.State, placements)
                {
                    Part = new ModelPart(route, placements.Any(p => p.Id is not null) ? id : null),
                    Tier = whole.Tier,
                    Digest = whole.Digest,
                    Others = whole.Others,
                });
        }

        return views;
    }
}
