namespace OllamaBridge.Gateway.Protocols;

/// <summary>The room that understands what is asked.</summary>
internal static class ProtocolServiceCollectionExtensions
{
    /// <summary>Adds the stages that find out what is asked.</summary>
    public static IServiceCollection AddProtocols(this IServiceCollection services) =>
        services.AddSingleton<ProtocolStage>().AddSingleton<Bodies.BodyBuffer>().AddSingleton<BodyStage>().AddHostedService<RejectedRequests>();
}
