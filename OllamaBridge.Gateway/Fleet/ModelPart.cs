using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The part of a model's placements that a request can use: instances that have its route and know the model by the client's spelling.</summary>
/// <param name="Route">The route; none if it makes no difference.</param>
/// <param name="Name">The model's name in the client's spelling; null if it makes no difference.</param>
internal readonly record struct ModelPart(ApiRoutes Route, string? Name);

/// <summary>
/// The parts of a model that servers with only OpenAI's API have: computed once for each snapshot, so that a request finds its part
/// without a search.
/// </summary>
/// <remarks>
/// Ollama's names are case-insensitive and have a default tag; those servers compare ids exactly. One model of the fleet may therefore have
/// several ids there, and a request may use only the servers that have exactly its spelling.
/// </remarks>
internal sealed class ModelParts
{
    private static readonly ApiRoutes[] Routes =
        [ApiRoutes.Ollama, ApiRoutes.OpenAI, ApiRoutes.Responses, ApiRoutes.Messages, ApiRoutes.Transcriptions];

    // By id, for each route. The last element is for names that no such server has.
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

    /// <summary>The parts of a model; null if only Ollama servers have it, which support every route.</summary>
    public static ModelParts? Of(ModelView whole)
    {
        foreach (var placement in whole.Placements)
            if (placement.Id is not null)
                return new ModelParts(whole);
        return null;
    }

    /// <summary>The part that a request can use.</summary>
    /// <returns>Null if there is none.</returns>
    public ModelView? Find(in ModelPart part)
    {
        var views = part.Name is not null && _byId.TryGetValue(part.Name, out var known) ? known : _others;
        return views[Math.Max(0, Array.IndexOf(Routes, part.Route))];
    }

    /// <param name="whole">The model.</param>
    /// <param name="id">The requested name.</param>
    /// <param name="known">The parts so far. Equal parts share one object, so that requests with the same choice share one queue.</param>
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
