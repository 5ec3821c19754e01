using System.Text;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Percent-encodes text as a header's value (RFC 3986, 2.1).</summary>
internal static class HeaderText
{
    public static string Encode(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~') && !text.Contains('%', StringComparison.Ordinal) && text.Trim().Length == text.Length)
            return text;
        var encoded = new StringBuilder(text.Length + 16);
        foreach (var value in Encoding.UTF8.GetBytes(text))
            if (value is > (byte)' ' and <= (byte)'~' and not (byte)'%')
                encoded.Append((char)value);
            else
                encoded.Append('%').Append(value.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        return encoded.ToString();
    }
}
