namespace OllamaBridge.Gateway.Protocols;

/// <summary>Adds what reads requests.</summary>
internal static class ProtocolServiceCollectionExtensions
{
    /// <summary>Adds request ids and the stages that find a request's operation and read its body.</summary>
    public static IServiceCollection AddProtocols(this IServiceCollection services) =>
        services.AddSingleton<RequestIds>().AddSingleton<ProtocolStage>().AddSingleton<Bodies.BodyBuffer>().AddSingleton<BodyStage>().AddHostedService<RejectedRequests>();
}
