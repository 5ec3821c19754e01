using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The placements that have a request's route and the client's spelling of the name. No route, or a null name: it makes no difference.</summary>
internal readonly record struct ModelPart(ApiRoutes Route, string? Name);

/// <summary>The parts of a model on OpenAI servers, computed once for each snapshot. Those servers compare ids exactly: one model may have several ids.</summary>
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

    public ModelView? Find(in ModelPart part)
    {
        var views = part.Name is not null && _byId.TryGetValue(part.Name, out var known) ? known : _others;
        return views[Math.Max(0, Array.IndexOf(Routes, part.Route))];
    }

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
