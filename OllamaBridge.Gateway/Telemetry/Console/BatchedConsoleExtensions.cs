using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;

namespace OllamaBridge.Gateway.Telemetry.Console;

internal static class BatchedConsoleExtensions
{
    /// <summary>Replaces ASP.NET Core's default console provider, if present, by <see cref="BatchedConsoleProvider"/> when the output is redirected.</summary>
    public static ILoggingBuilder BatchConsole(this ILoggingBuilder logging)
    {
        // On a terminal batching has no benefit, and the default provider supports its colours.
        if (!System.Console.IsOutputRedirected)
            return logging;
        var usual = logging.Services.FirstOrDefault(s => s.ServiceType == typeof(ILoggerProvider) && s.ImplementationType == typeof(ConsoleLoggerProvider));
        if (usual is not null && logging.Services.Remove(usual))
            logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ILoggerProvider, BatchedConsoleProvider>());
        return logging;
    }
}
