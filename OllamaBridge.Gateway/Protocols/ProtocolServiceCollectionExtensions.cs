namespace OllamaBridge.Gateway.Protocols;

/// <summary>Registers the services of this folder.</summary>
internal static class ProtocolServiceCollectionExtensions
{
    /// <summary>Adds the stages that identify a request's operation and read its body.</summary>
    public static IServiceCollection AddProtocols(this IServiceCollection services) =>
        services.AddSingleton<ProtocolStage>().AddSingleton<Bodies.BodyBuffer>().AddSingleton<BodyStage>().AddHostedService<RejectedRequests>();
}
