namespace OllamaBridge.Gateway.Audit;

/// <summary>Sanitizes text from requests for the audit log. Pure.</summary>
internal static class AuditText
{
    private const int MaxLength = 500;

    /// <summary>Truncates to 500 characters, replaces control characters, and removes credentials from URLs (<c>http://user:password@host</c>).</summary>
    public static string Clean(string text)
    {
        var length = Math.Min(text.Length, MaxLength);
        var clean = string.Create(length, text, static (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
                span[i] = char.IsControl(from[i]) || char.IsSurrogate(from[i]) ? '?' : from[i];
        });
        return WithoutCredentials(clean);
    }

    public static string? CleanOrNull(string? text) => text is null ? null : Clean(text);

    private static string WithoutCredentials(string text)
    {
        // The text before an @ may be a password, even if the rest is not a valid address.
        var at = text.LastIndexOf('@');
        if (at < 0)
            return text;
        var start = text.AsSpan(0, at).LastIndexOf("//");
        return start < 0 ? string.Concat("…", text.AsSpan(at)) : string.Concat(text.AsSpan(0, start + 2), "…", text.AsSpan(at));
    }
}
