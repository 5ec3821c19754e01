using System.Text;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>Log probabilities of tokens: invented, but descending and deterministic.</summary>
internal static class Logprobs
{
    private const double Steepest = 1.5;

    /// <param name="json">The destination.</param>
    /// <param name="pieces">The tokens.</param>
    /// <param name="top">The number of the likeliest tokens to list for each.</param>
    /// <param name="always">Whether to write an empty list.</param>
    public static void Write(GoJson json, IEnumerable<OutputPiece> pieces, int top, bool always)
    {
        json.BeginArray();
        foreach (var piece in pieces)
        {
            if (piece.Text.Length == 0)
                continue;
            json.BeginObject();
            One(json, piece.Text, piece.Random, 0);
            if (top > 0 || always)
            {
                json.Name("top_logprobs"u8).BeginArray();
                for (var i = 0; i < top; i++)
                {
                    json.BeginObject();
                    One(json, i == 0 ? piece.Text : Vocabulary.Nouns.Pick(TextHash.Mix(piece.Random, (ulong)i), true, false), piece.Random, i);
                    json.EndObject();
                }
                json.EndArray();
            }
            json.EndObject();
        }
        json.EndArray();
    }

    private static void One(GoJson json, string text, ulong random, int rank)
    {
        var logprob = -((TextHash.Mix(random, 7) % 10_000 / 10_000.0 * Steepest) + rank + 0.001);
        json.Field("token"u8, text).Name("logprob"u8).Number(logprob).Name("bytes"u8).BeginArray();
        foreach (var b in Encoding.UTF8.GetBytes(text))
            json.Number(b);
        json.EndArray();
    }
}
