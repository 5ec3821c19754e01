using System.Threading.Channels;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Discovery;

/// <summary>The source of the fleet's instances, in isolation.</summary>
internal sealed class SourceFixture : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TestTimeouts.Guard;
    private readonly ServiceProvider _services;
    private readonly Channel<IReadOnlyList<InstanceDefinition>> _lists = Channel.CreateUnbounded<IReadOnlyList<InstanceDefinition>>();

    public SourceFixture(params (string Key, string Value)[] settings)
        : this(TimeProvider.System, settings)
    {
    }

    public SourceFixture(TimeProvider time, params (string Key, string Value)[] settings)
    {
        Configuration = new ChangeableConfiguration(new Dictionary<string, string?>(settings.GroupBy(s => s.Key).Select(g => KeyValuePair.Create(g.Key, (string?)g.Last().Value))));
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Add(Configuration).Build());
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(Logs));
        services.AddServiceDiscovery();
        services.AddSingleton(time);
        services.AddDiscovery().AddFleet();
        _services = services.BuildServiceProvider();
        Source = _services.GetRequiredService<IInstanceSource>();
    }

    public ChangeableConfiguration Configuration { get; }

    public CapturedLogs Logs { get; } = new();

    public IInstanceSource Source { get; }

    /// <summary>The newest list.</summary>
    public IReadOnlyList<InstanceDefinition> Now { get; private set; } = [];

    /// <summary>Starts the source as the fleet's owner does.</summary>
    public async Task<IReadOnlyList<InstanceDefinition>> StartAsync()
    {
        Now = await Source.ListAsync(TestContext.Current.CancellationToken);
        Source.Watch(list => _lists.Writer.TryWrite(list));
        return Now;
    }

    /// <summary>Waits for the list with exactly these instances, in the order of their names.</summary>
    public async Task UntilAsync(params string[] names)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        while (!Now.Select(d => d.IsLeaving ? $"({d.Name})" : d.Name).SequenceEqual(names))
            try
            {
                Now = await _lists.Reader.ReadAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"not found: {string.Join(' ', names)}; last {string.Join(' ', Now)}");
            }
    }

    public async Task<IReadOnlyList<InstanceDefinition>> NextAsync() =>
        Now = await _lists.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);

    /// <summary>The number of lists that the test has not read.</summary>
    public int Unread => _lists.Reader.Count;

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
