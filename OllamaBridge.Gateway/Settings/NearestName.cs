namespace OllamaBridge.Gateway.Settings;

/// <summary>Finds the valid name that is closest to a misspelt one.</summary>
internal static class NearestName
{
    private const double PartWeight = 0.5;

    /// <summary>The name with the fewest edits, case-insensitive; the first of equally close <paramref name="names"/>.</summary>
    public static string? Of(string text, IEnumerable<string> names) => names.MinBy(n => Distance(text, n) * (IsPart(text, n) ? PartWeight : 1));

    /// <summary>The optimal string alignment distance, case-insensitive: insertions, deletions, substitutions and swaps of neighbours.</summary>
    public static int Distance(string one, string other)
    {
        // Limits the work for long keys; longer ones have the same distance.
        const int Longest = 128;
        var a = one.Length > Longest ? one[..Longest] : one;
        var b = other.Length > Longest ? other[..Longest] : other;
        var (beforeLast, last, row) = (new int[b.Length + 1], new int[b.Length + 1], new int[b.Length + 1]);
        for (var j = 0; j <= b.Length; j++)
            last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = Same(a[i - 1], b[j - 1]) ? 0 : 1;
                row[j] = Math.Min(Math.Min(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
                if (i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]))
                    row[j] = Math.Min(row[j], beforeLast[j - 2] + 1);
            }

            (beforeLast, last, row) = (last, row, beforeLast);
        }

        return last[b.Length];
    }

    // 'Key' suggests ApiKey, not Url.
    private static bool IsPart(string one, string other) =>
        one.Length > 2 && other.Length > 2
            && (one.Contains(other, StringComparison.OrdinalIgnoreCase) || other.Contains(one, StringComparison.OrdinalIgnoreCase));

    private static bool Same(char one, char other) => char.ToUpperInvariant(one) == char.ToUpperInvariant(other);
}
