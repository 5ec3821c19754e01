namespace OllamaBridge.Simulator.Memory;

/// <summary>A request that waits for its model to be loaded.</summary>
internal sealed class LoadTicket(StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive)
{
    public StoredModel Stored { get; } = stored;

    public RunnerSettings Settings { get; } = settings;

    public TimeSpan? KeepAlive { get; } = keepAlive;

    public TaskCompletionSource<Runner> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public LinkedListNode<LoadTicket>? Node { get; set; }
}
