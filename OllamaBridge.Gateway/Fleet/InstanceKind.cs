using System.Collections.Immutable;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What a server speaks.</summary>
internal enum InstanceKind
{
    /// <summary>All that Ollama does.</summary>
    Ollama,

    /// <summary>OpenAI's API and nothing else, as vLLM, llama-server and SGLang do. What it serves is always in its memory.</summary>
    OpenAI,

    /// <summary>All that Ollama does, for instances of its own: the bridge of another region.</summary>
    Bridge,
}

/// <summary>What a server that speaks only OpenAI's API serves, and how it is asked. Compared by value.</summary>
/// <param name="Models">The ids of its models; none where it tells them itself (<c>/v1/models</c>).</param>
/// <param name="Routes">What it has beside chat, completions and embeddings.</param>
/// <param name="HealthPath">What to ask for its health; null: <c>/health</c>, or <c>/v1/models</c> where it has no such route.</param>
internal sealed record OpenAIService(ImmutableArray<string> Models, ApiRoutes Routes = ApiRoutes.None, string? HealthPath = null)
{
    /// <inheritdoc/>
    public bool Equals(OpenAIService? other) =>
        other is not null && Routes == other.Routes && HealthPath == other.HealthPath && Models.AsSpan().SequenceEqual(other.Models.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Routes, HealthPath, Models.Length);
}

/// <summary>A key that a server wants of the bridge. Shows itself to nobody who merely prints it.</summary>
/// <param name="Value">The key.</param>
internal sealed record InstanceKey(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => "***";
}
