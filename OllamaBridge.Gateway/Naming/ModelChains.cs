using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Naming;

/// <summary>A model that may be asked.</summary>
internal sealed class ModelCandidate
{
    public ModelCandidate(string name, string? key = null)
    {
        Name = name;
        Key = key ?? ModelReference.KeyOf(name);
        Json = (byte[])[(byte)'"', .. JsonEncodedText.Encode(name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes, (byte)'"'];
    }

    /// <summary>Its name, as it is written to instances.</summary>
    public string Name { get; }

    /// <summary>Its canonical name.</summary>
    public string Key { get; }

    /// <summary>Whether its name says that it runs at ollama.com.</summary>
    public bool IsCloud => ModelReference.Resolve(Name).Suffix == ModelSourceSuffix.Cloud;

    /// <summary>Its name as JSON.</summary>
    public ReadOnlyMemory<byte> Json { get; }
}

/// <summary>What is configured of one name.</summary>
/// <param name="Name">As configured.</param>
/// <param name="Key">Its canonical spelling.</param>
/// <param name="IsAlias">Whether it stands for another model.</param>
/// <param name="Candidates">The model that an alias stands for, then those that stand in; for a model, only those.</param>
/// <param name="OnMemoryFailure">What to do if no instance has the memory that a request needs.</param>
internal sealed record ModelChain(
    string Name, string Key, bool IsAlias, ImmutableArray<ModelCandidate> Candidates, MemoryFailureAction OnMemoryFailure = MemoryFailureAction.Fail);

/// <summary>The names of which something is configured.</summary>
internal sealed class ModelChains
{
    private readonly Derived<ModelsOptions, Listing> _listing;

    public ModelChains(IOptions<ModelsOptions> options) => _listing = new Derived<ModelsOptions, Listing>(options, Read);

    /// <summary>The aliases, by name.</summary>
    public ImmutableArray<ModelChain> Aliases => _listing.Value.Aliases;

    /// <summary>What is configured of a name; null for nothing.</summary>
    /// <param name="key">Its canonical spelling.</param>
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
