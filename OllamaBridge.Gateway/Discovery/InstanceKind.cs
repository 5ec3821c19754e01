using System.Collections.Immutable;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>The API of a server.</summary>
internal enum InstanceKind
{
    /// <summary>Ollama's API.</summary>
    Ollama,

    /// <summary>Only OpenAI's API, as of vLLM, llama-server and SGLang. The server's models are always in memory.</summary>
    OpenAI,

    /// <summary>Ollama's API, of another region's bridge.</summary>
    Bridge,
}

/// <summary>The settings of an OpenAI server, compared by value. <c>Routes</c> are those besides chat, completions and embeddings.</summary>
/// <param name="Models">The models' ids; empty if the server lists them (<c>/v1/models</c>).</param>
/// <param name="HealthPath">The path of the health route; null: <c>/health</c>, or <c>/v1/models</c> if the server has no such route.</param>
internal sealed record OpenAIService(ImmutableArray<string> Models, ApiRoutes Routes = ApiRoutes.None, string? HealthPath = null)
{
    public bool Equals(OpenAIService? other) =>
        other is not null && Routes == other.Routes && HealthPath == other.HealthPath && Models.AsSpan().SequenceEqual(other.Models.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Routes, HealthPath, Models.Length);
}

/// <summary>A key that a server requires of the bridge. <see cref="ToString"/> does not reveal it.</summary>
internal sealed record InstanceKey(string Value)
{
    public override string ToString() => "***";
}
