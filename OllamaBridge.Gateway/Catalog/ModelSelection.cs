using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>The model that serves a request. A feature that the model stage sets; a fallback replaces the model.</summary>
internal sealed class ModelSelection(Operation operation, RequestBodyFeature body)
{
    /// <summary>The model's canonical name; empty if any instance will do.</summary>
    public string Key { get; set; } = "";

    /// <summary>The model's name for instances, if it differs from the client's spelling; else null.</summary>
    public string? Name { get; private set; }

    /// <summary>The canonical name of a cloud model that no instance lists, so that any instance may serve it; null for any other model.</summary>
    public string? UnlistedKey { get; private set; }

    public ModelAlternatives? Alternatives { get; set; }

    public string NamedKey => UnlistedKey ?? Key;

    public string? SentName => Name ?? body.Facts.Model;

    public ModelPart Part => PartOf(SentName);

    public ModelPart PartOf(string? name) => new(operation.Route, body.Facts.IsPlain ? name : null);

    /// <summary>Lets every instance serve the model, because none lists it.</summary>
    public void SetUnlisted() => (UnlistedKey, Key) = (Key, "");

    /// <summary>Replaces the model by a variant or fallback, also in the body.</summary>
    public void Use(ModelCandidate candidate)
    {
        Key = candidate.Key;
        Name = candidate.Name;
        if (body.Facts.ModelEnd > 0)
            body.Body?.Replace(body.Facts.ModelStart, body.Facts.ModelEnd, candidate.Json);
    }
}
