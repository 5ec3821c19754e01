namespace OllamaBridge.Simulator.Text;

/// <summary>The part that a word plays in a sentence.</summary>
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
