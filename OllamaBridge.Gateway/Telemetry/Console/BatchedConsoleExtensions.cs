using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;

namespace OllamaBridge.Gateway.Telemetry.Console;

/// <summary>How the log comes to the console.</summary>
internal static class BatchedConsoleExtensions
{
    /// <summary>Puts <see cref="BatchedConsoleProvider"/> in the place of the provider that ASP.NET Core has by default, where it still has it and a program reads what is written.</summary>
    public static ILoggingBuilder BatchConsole(this ILoggingBuilder logging)
    {
        // A terminal has somebody who looks, and sometimes colours of its own kind, which the usual provider knows about.
        if (!System.Console.IsOutputRedirected)
            return logging;
        var usual = logging.Services.FirstOrDefault(s => s.ServiceType == typeof(ILoggerProvider) && s.ImplementationType == typeof(ConsoleLoggerProvider));
        if (usual is not null && logging.Services.Remove(usual))
            logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ILoggerProvider, BatchedConsoleProvider>());
        return logging;
    }
}
