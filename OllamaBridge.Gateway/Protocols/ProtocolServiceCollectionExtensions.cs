using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Protocols;

internal static class ProtocolServiceCollectionExtensions
{
    public static IServiceCollection AddProtocols(this IServiceCollection services) => services
        .AddBridgeOptions<LimitOptions, LimitOptionsValidator>(LimitOptions.Section)
        .AddSingleton<RequestIds>()
        .AddSingleton<BodyBuffer>()
        .AddHostedService<RejectedRequests>();
}
