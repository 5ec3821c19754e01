using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>Common parts of several descriptions of a model.</summary>
internal static class ModelJson
{
    public static void Details(GoJson json, SimulatedModel model, bool withLengths)
    {
        json.Name("details"u8).BeginObject()
            .Field("parent_model"u8, "")
            .Field("format"u8, "gguf")
            .Field("family"u8, model.Family)
            .Strings("families"u8, [model.Family])
            .Field("parameter_size"u8, model.ParameterSize)
            .Field("quantization_level"u8, model.Quantization);
        if (withLengths)
            json.Field("context_length"u8, model.ContextLength).Field("embedding_length"u8, model.Architecture.EmbeddingLength);
        json.EndObject();
    }
}
