using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OllamaBridge.Simulator;

/// <summary>A model in a store: its name, and the digests of its files.</summary>
internal sealed class StoredModel
{
    private const int ConfigSize = 153;

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

    /// <summary>The manifest's digest, without "sha256:".</summary>
    public string Digest { get; }

    /// <summary>Weights first, then template unless the weights have one, system prompt if there is one, parameters, configuration.</summary>
    public IReadOnlyList<ModelLayer> Layers { get; }

    public static StoredModel Create(ModelName name, SimulatedModel model, DateTimeOffset modifiedAt, string? weightsDigest = null)
    {
        var weights = weightsDigest
            ?? Sha(string.Create(CultureInfo.InvariantCulture, $"{name.Short}|{model.Family}|{model.SizeBytes}|{model.ParameterSize}|{model.Quantization}"));
        List<ModelLayer> small = [];
        if (model.Template != ChatTemplate.Jinja)
            small.Add(Layer("template", TemplateTexts.Of(model)));
        if (model.System is { Length: > 0 } system)
            small.Add(Layer("system", system));
        small.Add(Layer("parameters", model.Parameters));
        small.Add(new ModelLayer(Sha("config|" + weights), ConfigSize));
        return new StoredModel(name, model, modifiedAt, [new ModelLayer(weights, Math.Max(1, model.SizeBytes - small.Sum(l => l.Size))), .. small]);
    }

    public StoredModel As(ModelName name, DateTimeOffset modifiedAt) => new(name, Model with { Name = name.Short }, modifiedAt, Layers);

    private static ModelLayer Layer(string kind, string text) => new(Sha($"{kind}|{text}"), Encoding.UTF8.GetByteCount(text));

    private static string Sha(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
