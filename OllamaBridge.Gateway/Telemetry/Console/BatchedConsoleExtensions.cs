using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;

namespace OllamaBridge.Gateway.Telemetry.Console;

/// <summary>How the log comes to the console.</summary>
internal static class BatchedConsoleExtensions
{
    /// <summary>Puts <see cref="BatchedConsoleProvider"/> in the place of the provider that ASP.NET Core has by default, where it still has it.</summary>
    public static ILoggingBuilder BatchConsole(this ILoggingBuilder logging)
    {
        var usual = logging.Services.FirstOrDefault(s => s.ServiceType == typeof(ILoggerProvider) && s.ImplementationType == typeof(ConsoleLoggerProvider));
        if (usual is not null && logging.Services.Remove(usual))
            logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ILoggerProvider, BatchedConsoleProvider>());
        return logging;
    }
}
