using System.Collections.Frozen;

namespace OllamaBridge.Simulator.Text;

/// <summary>The words of responses by their part of speech, each in lower case with a leading space and capitalized without one.</summary>
internal static class Vocabulary
{
    public static readonly WordList Determiners = new("the", "a", "every", "another", "this", "each", "some", "the", "the", "a");

    public static readonly WordList Adjectives = new(
        "quiet", "small", "warm", "distant", "simple", "careful", "bright", "patient", "steady", "common", "gentle", "clear",
        "long", "hidden", "curious", "practical", "separate", "familiar", "deep", "narrow", "plain", "recent", "strong", "useful");

    public static readonly WordList Nouns = new(
        "river", "reader", "market", "garden", "question", "method", "harbour", "letter", "village", "teacher", "pattern", "season",
        "machine", "library", "journey", "signal", "valley", "lantern", "bridge", "memory", "painter", "road", "window", "story",
        "scholar", "field", "traveller", "forest", "compass", "workshop", "melody", "tower", "light", "cloud", "result", "voice");

    public static readonly WordList Verbs = new(
        "follows", "carries", "shapes", "meets", "reveals", "crosses", "remembers", "supports", "changes", "explains", "guides",
        "answers", "reaches", "keeps", "measures", "surprises", "connects", "improves", "describes", "outlives", "welcomes", "protects");

    public static readonly WordList Adverbs = new("often", "quietly", "slowly", "rarely", "gladly", "simply", "always", "finally");

    public static readonly WordList Prepositions = new("near", "behind", "beyond", "without", "through", "beside", "under", "across", "before", "within");

    public static readonly WordList Conjunctions = new("and", "while", "because", "but", "so", "when");

    private static readonly FrozenDictionary<string, WordClass> Classes = Pairs().DistinctBy(p => p.Key).ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, WordClass>.AlternateLookup<ReadOnlySpan<char>> BySpan = Classes.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>A word's part of speech; an unknown word is a noun.</summary>
    public static WordClass ClassOf(ReadOnlySpan<char> word) => BySpan.TryGetValue(word, out var found) ? found : WordClass.Noun;

    private static IEnumerable<KeyValuePair<string, WordClass>> Pairs() =>
        Of(Determiners, WordClass.Determiner).Concat(Of(Verbs, WordClass.Verb)).Concat(Of(Adjectives, WordClass.Adjective))
            .Concat(Of(Adverbs, WordClass.Adverb)).Concat(Of(Prepositions, WordClass.Preposition))
            .Concat(Of(Conjunctions, WordClass.Conjunction)).Concat(Of(Nouns, WordClass.Noun))
            .Append(new("is", WordClass.Verb)).Append(new("are", WordClass.Verb)).Append(new("in", WordClass.Preposition));

    private static IEnumerable<KeyValuePair<string, WordClass>> Of(WordList words, WordClass part) =>
        words.Plain.Select(w => new KeyValuePair<string, WordClass>(w, part));
}
