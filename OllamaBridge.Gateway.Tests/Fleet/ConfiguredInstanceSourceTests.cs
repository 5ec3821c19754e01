using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Fleet;

/// <summary>An entry with discovery represents every address of its name.</summary>
public sealed class ConfiguredInstanceSourceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task List_DnsEntry_OneInstanceForEachAddress()
    {
        await using var world = new World(("Bridge:Instances:0:Url", "http://ollama:11434"), ("Bridge:Instances:0:Name", "hot"),
            ("Bridge:Instances:0:Slots", "4"), ("Bridge:Instances:0:Discovery", "Dns"), ("Bridge:Instances:1:Url", "http://10.9.9.9:11434"));
        world.Addresses["ollama"] = ["10.0.0.2", "10.0.0.1", "::1", "::ffff:10.0.0.1"];

        var instances = await world.Source.ListAsync(Token);

        Assert.Equal(
            [("hot-10.0.0.1", "http://10.0.0.1:11434/"), ("hot-10.0.0.2", "http://10.0.0.2:11434/"), ("hot-::1", "http://[::1]:11434/"),
                ("10.9.9.9:11434", "http://10.9.9.9:11434/")],
            instances.Select(i => (i.Name, i.Url.ToString())));
        Assert.Equal([4, 4, 4, 1], instances.Select(i => i.Slots));
    }

    [Fact]
    public async Task List_DnsEntryWithServiceName_AddressesOfServicesHost()
    {
        await using var world = new World(("Bridge:Instances:0:Url", "http://ollama"), ("Bridge:Instances:0:Discovery", "Dns"),
            ("services:ollama:http:0", "http://ollama.ns.svc:11434"));
        world.Addresses["ollama.ns.svc"] = ["10.0.0.1"];

        var instance = Assert.Single(await world.Source.ListAsync(Token));

        Assert.Equal("http://10.0.0.1:11434/", instance.Url.ToString());
        Assert.Equal("ollama-10.0.0.1", instance.Name);
    }

    [Fact]
    public async Task Watch_AddressesChange_NewListAfterTheInterval()
    {
        await using var world = new World(("Bridge:Urls", ""), ("Bridge:DiscoveryInterval", "00:00:05"),
            ("Bridge:Instances:0:Url", "http://ollama:11434"), ("Bridge:Instances:0:Discovery", "Dns"));
        world.Addresses["ollama"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
        Assert.Equal(3, (await world.Source.ListAsync(Token)).Count);
        world.Source.Watch(list => world.Lists.Writer.TryWrite(list));

        world.Addresses["ollama"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
        world.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(5, (await world.NextListAsync()).Count);

        world.Addresses["ollama"] = ["10.0.0.4"];
        await world.AdvanceUntilLookedAsync();
        Assert.Equal("http://10.0.0.4:11434/", Assert.Single(await world.NextListAsync()).Url.ToString());
    }

    [Fact]
    public async Task Watch_DnsFails_ListUnchangedAndRecovers()
    {
        await using var world = new World(("Bridge:Instances:0:Url", "http://ollama:11434"), ("Bridge:Instances:0:Discovery", "Dns"));
        world.Addresses["ollama"] = ["10.0.0.1"];
        await world.Source.ListAsync(Token);
        world.Source.Watch(list => world.Lists.Writer.TryWrite(list));

        world.Failure = SocketError.TryAgain;
        await world.AdvanceUntilLookedAsync();
        world.Failure = null;
        world.Addresses["ollama"] = [];
        await world.AdvanceUntilLookedAsync();

        // The first list is that of the group without members; the outage produced none.
        Assert.Empty(await world.NextListAsync());
        Assert.Contains(world.Logs.Lines, l => l.Contains("1006", StringComparison.Ordinal) && l.Contains("TryAgain", StringComparison.Ordinal));
    }

    [Fact]
    public async Task List_NoDnsEntry_NoLookup()
    {
        await using var world = new World(("Bridge:Urls", "http://ollama:11434"));

        Assert.Equal("http://ollama:11434/", Assert.Single(await world.Source.ListAsync(Token)).Url.ToString());
        Assert.Equal(0, world.Lookups);
    }

    [Fact]
    public async Task FindAsync_RealResolver_Loopback()
    {
        var options = Options.Create(new DnsOptions());
        var lookup = new DnsHostLookup(new DnsQueries(options), options);

        Assert.Contains(IPAddress.Loopback, await lookup.FindAsync("localhost", Token));
    }

    private sealed class World : IHostLookup, IAsyncDisposable
    {
        private readonly ServiceProvider _services;
        private int _lookups;

        public World(params (string Key, string Value)[] settings)
        {
            var services = new ServiceCollection();
            services.AddSingleton<IConfiguration>(
                new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
            services.AddLogging(logging => logging.AddProvider(Logs));
            services.AddSingleton<TimeProvider>(Time);
            services.AddServiceDiscovery();
            services.AddDiscovery().AddFleet();
            services.AddSingleton<IHostLookup>(this);
            _services = services.BuildServiceProvider();
            Source = _services.GetRequiredService<IInstanceSource>();
        }

        public ConcurrentDictionary<string, string[]> Addresses { get; } = new();

        public SocketError? Failure { get; set; }

        public int Lookups => Volatile.Read(ref _lookups);

        public FakeTimeProvider Time { get; } = new();

        public CapturedLogs Logs { get; } = new();

        public Channel<IReadOnlyList<InstanceDefinition>> Lists { get; } = Channel.CreateUnbounded<IReadOnlyList<InstanceDefinition>>();

        public IInstanceSource Source { get; }

        public Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _lookups);
            return Failure is { } error
                ? throw new SocketException((int)error)
                : Task.FromResult<IReadOnlyList<IPAddress>>([.. Addresses.GetValueOrDefault(host, []).Select(IPAddress.Parse)]);
        }

        public async Task<IReadOnlyList<InstanceDefinition>> NextListAsync() =>
            await Lists.Reader.ReadAsync(Token).AsTask().WaitAsync(TimeSpan.FromSeconds(20), Token);

        /// <summary>Advances the time until the next lookup, which is due an interval after the end of the previous one.</summary>
        public async Task AdvanceUntilLookedAsync()
        {
            var before = Lookups;
            for (var i = 0; Lookups == before; i++)
            {
                Assert.True(i < 100_000, "no further lookup");
                Time.Advance(TimeSpan.FromSeconds(5));
                await Task.Yield();
            }
        }

        public ValueTask DisposeAsync() => _services.DisposeAsync();
    }
}
