using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>
/// Remembers which instances render a prompt on request (<c>_debug_render_only</c>). A server that does not know the field would respond to the
/// prompt instead. It is therefore queried once, for at most one token, and not again until its version changes.
/// </summary>
internal sealed class RenderSupport(IFleet fleet)
{
    /// <summary>The first version of Ollama with the field.</summary>
    private static readonly Version First = new(0, 11, 5);
    private readonly ConditionalWeakTable<Instance, Entry> _entries = new();

    /// <summary>Whether an instance renders prompts; null if it is not known yet.</summary>
    public bool? Find(Instance instance) => EntryOf(instance).Renders;

    /// <summary>Waits while another request queries the same instance for the first time.</summary>
    /// <returns>To be disposed after <see cref="Note"/>.</returns>
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

    /// <summary>Whether a version is known to lack the field. A server without a version is no Ollama server with the field.</summary>
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
