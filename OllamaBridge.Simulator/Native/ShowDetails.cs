using System.Globalization;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>The long lists of /api/show: metadata of a GGUF file, and its tensors.</summary>
internal static class ShowDetails
{
    private const int FileTypeF32 = 0;

    public static void Info(GoJson json, SimulatedModel model)
    {
        var (shape, family) = (model.Architecture, model.Family);
        json.Name("model_info"u8).BeginObject()
            .Field("general.alignment"u8, 32)
            .Field("general.architecture"u8, family)
            .Field("general.file_type"u8, FileTypeF32)
            .Field("general.parameter_count"u8, shape.ParameterCount > 0 ? shape.ParameterCount : Parameters(model.ParameterSize))
            .Field("general.quantization_version"u8, 2);
        Number("attention.head_count", shape.HeadCount);
        Number("attention.head_count_kv", shape.HeadCount);
        json.Name(family + ".attention.layer_norm_rms_epsilon").Value("0.00001"u8);
        Number("block_count", shape.BlockCount);
        Number("context_length", model.ContextLength);
        Number("embedding_length", shape.EmbeddingLength);
        Number("feed_forward_length", shape.FeedForwardLength);
        Number("rope.dimension_count", shape.EmbeddingLength / Math.Max(1, shape.HeadCount));
        Number("rope.freq_base", 10_000);
        Number("vocab_size", shape.VocabularySize);
        json.Field("tokenizer.ggml.add_bos_token"u8, true)
            .Field("tokenizer.ggml.bos_token_id"u8, 0)
            .Field("tokenizer.ggml.eos_token_id"u8, 1)
            .Field("tokenizer.ggml.eot_token_id"u8, 5)
            .Name("tokenizer.ggml.merges"u8).Null()
            .Field("tokenizer.ggml.model"u8, "gpt2")
            .Field("tokenizer.ggml.pre"u8, "default")
            .Name("tokenizer.ggml.token_type"u8).Null()
            .Name("tokenizer.ggml.tokens"u8).Null()
            .EndObject();

        void Number(string name, long value) => json.Name($"{family}.{name}").Number(value);
    }

    public static void Tensors(GoJson json, SimulatedModel model)
    {
        var (shape, type) = (model.Architecture, model.Quantization == "unknown" ? "F32" : model.Quantization);
        var (width, inner) = (shape.EmbeddingLength, shape.FeedForwardLength);
        json.Name("tensors"u8).BeginArray();
        One("output.weight", width, shape.VocabularySize);
        One("output_norm.weight", width);
        One("token_embd.weight", width, shape.VocabularySize);
        for (var block = 0; block < shape.BlockCount; block++)
        {
            var prefix = string.Create(CultureInfo.InvariantCulture, $"blk.{block}.");
            One(prefix + "attn_k.weight", width, width);
            One(prefix + "attn_norm.weight", width);
            One(prefix + "attn_output.weight", width, width);
            One(prefix + "attn_q.weight", width, width);
            One(prefix + "attn_v.weight", width, width);
            One(prefix + "ffn_down.weight", inner, width);
            One(prefix + "ffn_gate.weight", width, inner);
            One(prefix + "ffn_norm.weight", width);
            One(prefix + "ffn_up.weight", width, inner);
        }
        json.EndArray();

        void One(string name, params ReadOnlySpan<int> dimensions)
        {
            json.BeginObject().Field("name"u8, name).Field("type"u8, type).Name("shape"u8).BeginArray();
            foreach (var dimension in dimensions)
                json.Number(dimension);
            json.EndArray().EndObject();
        }
    }

    private static long Parameters(string size)
    {
        var scale = size.EndsWith('B') ? 1e9 : size.EndsWith('M') ? 1e6 : 1;
        return double.TryParse(size.TrimEnd('B', 'M'), CultureInfo.InvariantCulture, out var number) ? (long)(number * scale) : 0;
    }
}
