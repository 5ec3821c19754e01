using OllamaBridge.Simulator.Memory;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>One request on its way through a server.</summary>
internal sealed class Call(HttpContext http, SimulatedServer server, ModelMemory memory, string path)
{
    private bool _inside;

    public HttpContext Http { get; } = http;

    public SimulatedServer Server { get; } = server;

    /// <summary>The memory of the life in which the request came; a killed server's is empty.</summary>
    public ModelMemory Memory { get; } = memory;

    public string Path { get; } = path;

    public ReadOnlyMemory<byte> Body { get; set; }

    /// <summary>What follows a route's fixed part: a digest, a model's name.</summary>
    public string Tail { get; set; } = "";

    /// <summary>The fault that strikes it.</summary>
    public Fault? Fault { get; set; }

    public SimulatorOptions Options => Server.Options;

    public ModelStore Store => Server.Store;

    public TimeProvider Time => Server.Options.TimeProvider;

    /// <summary>The client has hung up, or the server has died.</summary>
    public CancellationToken Aborted => Http.RequestAborted;

    public bool IsHead => HttpMethods.IsHead(Http.Request.Method);

    /// <summary>It counts as inside the server from now on.</summary>
    public void Enter()
    {
        _inside = true;
        Server.Statistics.RequestStarted();
    }

    /// <summary>It counts no longer; once only.</summary>
    public void Leave()
    {
        if (_inside)
            Server.Statistics.RequestEnded();
        _inside = false;
    }

    public DateTimeOffset Now => Time.GetUtcNow();
}
