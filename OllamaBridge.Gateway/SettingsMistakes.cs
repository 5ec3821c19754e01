using System.Reflection;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway;

/// <summary>How the program ends that was started with settings it cannot work with.</summary>
internal static class SettingsMistakes
{
    /// <summary>Its exit code: <c>EX_CONFIG</c> of BSD's <c>sysexits.h</c>.</summary>
    public const int ExitCode = 78;

    /// <summary>Whether this is the gateway's own process. Who runs it within another, a test above all, gets the exception itself.</summary>
    public static bool IsOwnProcess => Assembly.GetEntryAssembly() == typeof(SettingsMistakes).Assembly;

    /// <summary>Tells every mistake in a line of its own, with its key: who reads it needs no stack.</summary>
    /// <returns>What the program ends with.</returns>
    public static int Tell(OptionsValidationException mistakes, TextWriter to)
    {
        to.WriteLine("The bridge cannot start with these settings (docs/configuration.md):");
        foreach (var mistake in mistakes.Failures)
            to.WriteLine($"  {mistake}");
        return ExitCode;
    }
}
