using System.Reflection;

namespace OllamaBridge.AppHost;

/// <summary>Ends a start that the settings do not allow, without a stack trace.</summary>
internal static class StartupFailure
{
    /// <summary>The exit code: <c>EX_CONFIG</c> of BSD's <c>sysexits.h</c>.</summary>
    private const int ExitCode = 78;

    /// <summary>Whether a failure is one of the settings, in the application's own process. A test that runs it within itself gets the exception.</summary>
    /// <remarks><see cref="InvalidDataException"/>: a settings file is not valid JSON.</remarks>
    public static bool IsOfSettings(Exception failure) =>
        failure is DistributedApplicationException or InvalidDataException && Assembly.GetEntryAssembly() == typeof(StartupFailure).Assembly;

    /// <summary>Writes the cause: the outer message names the file, the innermost one the place in it.</summary>
    /// <returns>The exit code.</returns>
    public static int Write(Exception failure)
    {
        Console.Error.WriteLine(failure.InnerException is null ? failure.Message : $"{failure.Message} {failure.GetBaseException().Message}");
        return ExitCode;
    }
}
