using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Remembers support of <c>_debug_render_only</c>. Other servers would respond to the prompt: they are queried once per version.</summary>
internal sealed class RenderSupport(IFleet fleet)
{
    private static readonly Version First = new(0, 11, 5);
    private readonly ConditionalWeakTable<Instance, Entry> _entries = new();

    /// <returns>Null if not known yet.</returns>
    public bool? Find(Instance instance) => EntryOf(instance).Renders;

    /// <summary>Waits while another request queries the same instance. Dispose the result after <see cref="Note"/>.</summary>
    public async Task<IDisposable> EnterAsync(Instance instance, CancellationToken cancellationToken)
    {
        var entry = EntryOf(instance);
        await entry.Turn.WaitAsync(cancellationToken);
        return entry;
    }

    public void Note(Instance instance, bool renders) => EntryOf(instance).Renders = renders;

    private Entry EntryOf(Instance instance)
    {
        var version = VersionOf(instance);
        if (_entries.TryGetValue(instance, out var known) && known.Version == version)
            return known;
        var entry = new Entry(version, IsTooOld(version) ? false : null);
        _entries.AddOrUpdate(instance, entry);
        return entry;
    }

    private string? VersionOf(Instance instance)
    {
        foreach (var view in fleet.Current.Instances)
            if (view.Instance == instance)
                return view.Version;
        return null;
    }

    private static bool IsTooOld(string? version) =>
        version is null || (System.Version.TryParse(version.Split('-', '+')[0], out var number) && number < First && number > new Version(0, 0, 0));

    private sealed class Entry(string? version, bool? renders) : IDisposable
    {
        private int _renders = renders is null ? -1 : renders.Value ? 1 : 0;

        public string? Version { get; } = version;

        public SemaphoreSlim Turn { get; } = new(1, 1);

        public bool? Renders
        {
            get => Volatile.Read(ref _renders) is >= 0 and var known ? known == 1 : null;
            set => Volatile.Write(ref _renders, value is null ? -1 : value.Value ? 1 : 0);
        }

        public void Dispose() => Turn.Release();
    }
}
