using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Describes a failed startup in lines without a stack trace.</summary>
internal static class StartupFailure
{
    /// <summary>The exit code if the settings, or a file or address in them, prevent startup: <c>EX_CONFIG</c> of BSD's <c>sysexits.h</c>.</summary>
    public const int ExitCode = 78;

    private static readonly string[] Sources =
        ["Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Http", "Microsoft.AspNetCore.Hosting", "Microsoft.Extensions.Configuration", "Microsoft.Extensions.FileProviders", "Microsoft.Extensions.Logging"];

    /// <summary>Whether this is the gateway's own process. A program that hosts the gateway, such as a test, gets the exception.</summary>
    public static bool IsOwnProcess => Assembly.GetEntryAssembly() == typeof(StartupFailure).Assembly;

    public static int Write(IReadOnlyList<string> causes, TextWriter output)
    {
        output.WriteLine("The bridge cannot start with these settings (docs/configuration.md):");
        foreach (var cause in causes)
            output.WriteLine($"  {FirstLine(cause)}");
        return ExitCode;
    }

    /// <summary>Null if the failure is a defect, not a matter of settings.</summary>
    public static IReadOnlyList<string>? Describe(Exception failure, IReadOnlyList<string> addresses) => failure switch
    {
        OptionsValidationException mistakes => [.. mistakes.Failures],
        AggregateException { InnerExceptions: [var only] } => Describe(only, addresses),
        // Kestrel includes the address only if it is in use.
        SocketException when addresses.Count > 0 => [$"Cannot listen on {string.Join(", ", addresses)}: {Text(failure)}"],
        StateRefusedException e => [e.Message],
        IOException or SocketException or UnauthorizedAccessException or CryptographicException or InvalidDataException => [Text(failure)],
        InvalidOperationException or FormatException or ArgumentException when IsOfSettings(failure) => [Text(failure)],
        _ => null,
    };

    public static string FirstLine(string text) => text.AsSpan().IndexOfAny('\r', '\n') is >= 0 and var end ? text[..end] : text;

    // The outer message has the file or the address, the innermost one the cause.
    private static string Text(Exception failure)
    {
        var texts = new List<string>();
        for (var e = failure; e is not null; e = e.InnerException)
            if (FirstLine(e.Message).TrimEnd('.') is var text && !texts.Exists(t => t.Contains(text, StringComparison.OrdinalIgnoreCase)))
                texts.Add(text);
        return $"{string.Join(": ", texts)}.";
    }

    private static bool IsOfSettings(Exception failure) => Array.Exists(Sources, s => failure.Source?.StartsWith(s, StringComparison.Ordinal) == true);
}

/// <summary>Redis rejects the gateway's credentials: a later attempt cannot succeed.</summary>
internal sealed class StateRefusedException(string message) : Exception(message);
