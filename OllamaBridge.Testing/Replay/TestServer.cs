using OllamaBridge.Simulator;

namespace OllamaBridge.Testing.Replay;

/// <summary>Starts simulators that stop at the end of the test.</summary>
internal static class TestServer
{
    public static Task<SimulatedServer> StartAsync(SimulatorOptions options) =>
        SimulatedServer.StartAsync(options, TestContext.Current.CancellationToken);

    public static Task<SimulatedServer> StartAsync(SimulatorOptions options, params SimulatedModel[] models) =>
        StartAsync(options with { Store = new ModelStore(models, options.TimeProvider) });
}
