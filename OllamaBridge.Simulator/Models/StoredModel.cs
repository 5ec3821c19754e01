using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OllamaBridge.Simulator;

/// <summary>A model in a store: its name there, and the digests of the files it is made of.</summary>
internal sealed class StoredModel
{
    private StoredModel(ModelName name, SimulatedModel model, DateTimeOffset modifiedAt, IReadOnlyList<ModelLayer> layers)
    {
        Name = name;
        ShortName = name.Short;
        Model = model;
        ModifiedAt = modifiedAt;
        Layers = layers;
        Digest = Sha(string.Join('\n', layers.Select(l => l.Digest)));
    }

    public ModelName Name { get; }

    public string ShortName { get; }

    public SimulatedModel Model { get; }

    public DateTimeOffset ModifiedAt { get; }

    /// <summary>Of the manifest, without "sha256:".</summary>
    public string Digest { get; }

    /// <summary>Weights first, then template, parameters or system prompt, configuration.</summary>
    public IReadOnlyList<ModelLayer> Layers { get; }

    public static StoredModel Create(ModelName name, SimulatedModel model, DateTimeOffset modifiedAt, string? weightsDigest = null)
    {
        var template = Encoding.UTF8.GetByteCount(TemplateTexts.Of(model));
        var (settings, config) = (model.System is { } system ? Encoding.UTF8.GetByteCount(system) : 31, 153);
        var small = template + settings + config;
        var weights = weightsDigest
            ?? Sha(string.Create(CultureInfo.InvariantCulture, $"{name.Short}|{model.Family}|{model.SizeBytes}|{model.ParameterSize}|{model.Quantization}"));
        return new StoredModel(name, model, modifiedAt,
        [
            new ModelLayer(weights, Math.Max(1, model.SizeBytes - small)),
            new ModelLayer(Sha("template|" + TemplateTexts.Of(model)), template),
            new ModelLayer(Sha("settings|" + model.System), settings),
            new ModelLayer(Sha("config|" + weights), config),
        ]);
    }

    public StoredModel As(ModelName name, DateTimeOffset modifiedAt) => new(name, Model with { Name = name.Short }, modifiedAt, Layers);

    private static string Sha(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
