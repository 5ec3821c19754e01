using OllamaBridge.Gateway.Pipeline;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Registers the services of this folder.</summary>
internal static class ProtocolServiceCollectionExtensions
{
    public static IServiceCollection AddProtocols(this IServiceCollection services) =>
        services.AddSingleton<RequestIds>().AddSingleton<ProtocolStage>().AddSingleton<Bodies.BodyBuffer>().AddSingleton<BodyStage>()
            .AddHostedService<RejectedRequests>();
}
