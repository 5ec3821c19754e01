using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Catalog;

internal sealed class ModelCandidate
{
    public ModelCandidate(string name, string? key = null)
    {
        Name = name;
        Key = key ?? ModelReference.KeyOf(name);
        Json = (byte[])[(byte)'"', .. JsonEncodedText.Encode(name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes, (byte)'"'];
    }

    /// <summary>The name that is sent to instances.</summary>
    public string Name { get; }

    public string Key { get; }

    /// <summary>Whether the name's suffix selects ollama.com.</summary>
    public bool IsCloud => ModelReference.Resolve(Name).Suffix == ModelSourceSuffix.Cloud;

    public ReadOnlyMemory<byte> Json { get; }
}

/// <summary><see cref="Candidates"/> are an alias's target and then its fallbacks; for a model, only its fallbacks.</summary>
internal sealed record ModelChain(
    string Name, string Key, bool IsAlias, ImmutableArray<ModelCandidate> Candidates, MemoryFailureAction OnMemoryFailure = MemoryFailureAction.Fail);

internal sealed class ModelChains
{
    private readonly Derived<ModelsOptions, Listing> _listing;

    public ModelChains(IOptions<ModelsOptions> options) => _listing = new Derived<ModelsOptions, Listing>(options, Read);

    public ImmutableArray<ModelChain> Aliases => _listing.Value.Aliases;

    /// <summary>The configuration of a canonical name.</summary>
    public ModelChain? Find(string key) => _listing.Value.Chains.GetValueOrDefault(key);

    private static Listing Read(ModelsOptions options)
    {
        var targets = options.Where(m => !string.IsNullOrEmpty(m.Target)).ToDictionary(m => ModelName.KeyOf(m.Name!), m => m.Target!, StringComparer.Ordinal);
        var chains = options
            .Select(m => new ModelChain(
                m.Name!,
                ModelName.KeyOf(m.Name!),
                targets.ContainsKey(ModelName.KeyOf(m.Name!)),
                [.. (string.IsNullOrEmpty(m.Target) ? m.Fallbacks : m.Fallbacks.Prepend(m.Target))
                    .Select(f => new ModelCandidate(targets.GetValueOrDefault(ModelName.KeyOf(f), f)))],
                m.OnMemoryFailure))
            .ToFrozenDictionary(c => c.Key, StringComparer.Ordinal);
        return new Listing(chains, [.. chains.Values.Where(c => c.IsAlias).OrderBy(c => c.Key, StringComparer.Ordinal)]);
    }

    private sealed record Listing(FrozenDictionary<string, ModelChain> Chains, ImmutableArray<ModelChain> Aliases);
}
