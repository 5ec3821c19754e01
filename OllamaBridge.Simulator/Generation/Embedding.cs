using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>Embedding vectors of length 1: equal for equal texts, closer for texts with common words.</summary>
internal static class Embedding
{
    private static readonly float[] Steps = [0, 0, 1, -1];

    public static float[] Of(SimulatedModel model, string text, int length)
    {
        var vector = new float[length > 0 ? Math.Min(length, model.Architecture.EmbeddingLength) : model.Architecture.EmbeddingLength];
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            var size = Tokenizer.Next(rest);
            var word = TextHash.Add(TextHash.Add(TextHash.Seed, model.Name), rest[..size].TrimStart());
            for (var i = 0; i < vector.Length; i++)
                vector[i] += Steps[TextHash.Mix(word, (ulong)i) % 4];
            rest = rest[size..];
        }
        var norm = MathF.Sqrt(vector.Sum(v => v * v));
        if (norm > 0)
        {
            for (var i = 0; i < vector.Length; i++)
                vector[i] /= norm;
        }
        return vector;
    }

    public static void Write(GoJson json, float[] vector)
    {
        json.BeginArray();
        foreach (var value in vector)
            json.Number(value);
        json.EndArray();
    }

    /// <summary>Writes the vector with the decimals of a double, as /api/embeddings does.</summary>
    public static void WriteWide(GoJson json, float[] vector)
    {
        json.BeginArray();
        foreach (var value in vector)
            json.Number((double)value);
        json.EndArray();
    }
}
