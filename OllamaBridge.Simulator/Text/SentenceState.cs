namespace OllamaBridge.Simulator.Text;

/// <summary>The position in the last sentence of a text. Derived from the text alone, so that any server can continue from any point.</summary>
internal struct SentenceState
{
    private const int LongSentence = 11;
    private const int LookBack = 2000;

    private WordClass _last;
    private int _words;
    private bool _hasVerb;
    private bool _glued;

    public static SentenceState After(ReadOnlySpan<char> text)
    {
        var state = new SentenceState { _glued = text.IsEmpty || char.IsWhiteSpace(text[^1]) || text[^1] == '>' };
        if (text.Length > LookBack)
            text = text[^LookBack..];
        text = text[(text.LastIndexOfAny(".!?>\n") + 1)..];
        foreach (var range in text.SplitAny(' ', '\t', ',', ';', ':', '(', ')', '"'))
        {
            if (!text[range].IsEmpty)
                state.Step(Vocabulary.ClassOf(text[range]));
        }
        return state;
    }

    public readonly bool AtStart => _last == WordClass.Start;

    public string Stop()
    {
        this = default;
        return ".";
    }

    public string Next(ulong random)
    {
        var chance = (int)((random >> 40) % 100);
        var next = _last switch
        {
            WordClass.Start or WordClass.Verb or WordClass.Preposition or WordClass.Conjunction or WordClass.Adverb => WordClass.Determiner,
            WordClass.Determiner => chance < 40 ? WordClass.Adjective : WordClass.Noun,
            WordClass.Adjective => WordClass.Noun,
            _ when !_hasVerb => WordClass.Verb,
            _ when _words >= LongSentence || chance < 40 => WordClass.Start,
            _ => chance < 80 ? WordClass.Preposition : WordClass.Conjunction,
        };
        if (_last == WordClass.Verb && chance < 12)
            next = WordClass.Adverb;
        if (next == WordClass.Start)
            return Stop();
        var word = ListOf(next).Pick(random & 0xFFFF_FFFF, !_glued, _last == WordClass.Start);
        _glued = false;
        Step(next);
        return word;
    }

    private void Step(WordClass part)
    {
        _last = part;
        _words++;
        _hasVerb = part == WordClass.Verb || (_hasVerb && part != WordClass.Conjunction);
    }

    private static WordList ListOf(WordClass part) => part switch
    {
        WordClass.Determiner => Vocabulary.Determiners,
        WordClass.Adjective => Vocabulary.Adjectives,
        WordClass.Verb => Vocabulary.Verbs,
        WordClass.Adverb => Vocabulary.Adverbs,
        WordClass.Preposition => Vocabulary.Prepositions,
        WordClass.Conjunction => Vocabulary.Conjunctions,
        _ => Vocabulary.Nouns,
    };
}
