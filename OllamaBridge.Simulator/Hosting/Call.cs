using OllamaBridge.Simulator.Memory;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>The state of one request in a server.</summary>
internal sealed class Call(HttpContext http, SimulatedServer server, ModelMemory memory, string path)
{
    private bool _inside;

    public HttpContext Http { get; } = http;

    public SimulatedServer Server { get; } = server;

    /// <summary>The memory of the process that accepted the request; a killed server's is empty.</summary>
    public ModelMemory Memory { get; } = memory;

    public string Path { get; } = path;

    public ReadOnlyMemory<byte> Body { get; set; }

    /// <summary>The variable part of the path: a digest or a model's name.</summary>
    public string Tail { get; set; } = "";

    /// <summary>The fault that applies to it; null for none.</summary>
    public Fault? Fault { get; set; }

    public SimulatorOptions Options => Server.Options;

    public ModelStore Store => Server.Store;

    public TimeProvider Time => Server.Options.TimeProvider;

    /// <summary>Cancelled when the client disconnects or the server is killed.</summary>
    public CancellationToken Aborted => Http.RequestAborted;

    public bool IsHead => HttpMethods.IsHead(Http.Request.Method);

    /// <summary>Counts the request as active.</summary>
    public void Enter()
    {
        _inside = true;
        Server.Statistics.RequestStarted();
    }

    /// <summary>Ends the count. Further calls have no effect.</summary>
    public void Leave()
    {
        if (_inside)
            Server.Statistics.RequestEnded();
        _inside = false;
    }

    public DateTimeOffset Now => Time.GetUtcNow();
}
