namespace OllamaBridge.Simulator.Text;

/// <summary>A part of speech.</summary>
internal enum WordClass
{
    Start,
    Determiner,
    Adjective,
    Noun,
    Verb,
    Adverb,
    Preposition,
    Conjunction,
}
