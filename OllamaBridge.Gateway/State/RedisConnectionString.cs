using System.Globalization;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Parses the connection string of Redis: StackExchange.Redis's own format, or a URL as in other clients of Redis.</summary>
internal static class RedisConnectionString
{
    private const string Plain = "redis";
    private const string Tls = "rediss";

    /// <param name="text"><c>host:6379,password=…</c>, <c>redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]</c>, or <c>rediss://…</c> for TLS.</param>
    /// <exception cref="FormatException">The URL cannot be read. The message does not repeat it.</exception>
    /// <exception cref="ArgumentException">The connection string cannot be read.</exception>
    public static ConfigurationOptions Parse(string text)
    {
        if (!text.Contains("://", StringComparison.Ordinal))
            return ConfigurationOptions.Parse(text);
        if (!Uri.TryCreate(text.Trim(), UriKind.Absolute, out var url) || url.Scheme is not (Plain or Tls) || url.Host.Length == 0 || url.Query.Length > 0 || url.Fragment.Length > 0)
            throw new FormatException("not a URL such as redis://:PASSWORD@host:6379/0");
        var options = new ConfigurationOptions { Ssl = url.Scheme == Tls };
        options.EndPoints.Add(url.IdnHost, url.Port > 0 ? url.Port : 6379);
        if (url.UserInfo.Split(':', 2) is [var user, var password])
        {
            options.User = user.Length > 0 ? Uri.UnescapeDataString(user) : null;
            options.Password = Uri.UnescapeDataString(password);
        }
        else if (url.UserInfo.Length > 0)
        {
            throw new FormatException("the URL names a user without a password");
        }

        if (url.AbsolutePath.Trim('/') is { Length: > 0 } path)
            options.DefaultDatabase = int.TryParse(path, NumberStyles.None, CultureInfo.InvariantCulture, out var database)
                ? database
                : throw new FormatException("the URL's path is not the number of a database");
        return options;
    }
}
