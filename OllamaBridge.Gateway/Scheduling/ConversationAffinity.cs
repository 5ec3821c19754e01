using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Remembers the instance of each conversation's last request, because its prompt cache contains the conversation's prefix. A fixed-size table without
/// locks: a conversation can replace another one.</summary>
internal sealed class ConversationAffinity
{
    private const int Size = 1 << 16;
    // The upper 32 bits distinguish the conversations of one cell. The lower 32 bits are the instance's seed.
    private readonly ulong[] _cells = new ulong[Size];

    /// <summary>Affinity 0 means no conversation.</summary>
    public void Note(ulong affinity, string model, Instance instance)
    {
        if (affinity == 0)
            return;
        var key = Key(affinity, model);
        Volatile.Write(ref _cells[key % Size], (key & 0xFFFF_FFFF_0000_0000) | instance.Seed);
    }

    /// <summary>The <see cref="Instance.Seed"/> of the instance that got the conversation's last request; null if unknown.</summary>
    public uint? Find(ulong affinity, string model)
    {
        if (affinity == 0)
            return null;
        var key = Key(affinity, model);
        var cell = Volatile.Read(ref _cells[key % Size]);
        return cell != 0 && (cell ^ key) <= uint.MaxValue ? (uint)cell : null;
    }

    private static ulong Key(ulong affinity, string model) =>
        (affinity ^ ((ulong)(uint)string.GetHashCode(model, StringComparison.Ordinal) << 16)) * 0x9E37_79B9_7F4A_7C15;
}
