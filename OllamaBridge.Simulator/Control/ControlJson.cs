using System.Text.Json.Serialization;

namespace OllamaBridge.Simulator.Control;

/// <summary>JSON of the side channel: {"kind":"CutAfterTokens","afterTokens":5,"delay":"00:00:01"}.</summary>
[JsonSourceGenerationOptions(
    PropertyNameCaseInsensitive = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    WriteIndented = false)]
[JsonSerializable(typeof(Fault))]
[JsonSerializable(typeof(IReadOnlyList<Fault>))]
internal sealed partial class ControlJson : JsonSerializerContext;
