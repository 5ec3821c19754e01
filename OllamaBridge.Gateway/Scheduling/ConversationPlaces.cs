using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>
/// Where conversations were answered last: that instance has their beginnings in its prompt cache. A fixed table without locks; a conversation may
/// push out another, which then goes by its hash again.
/// </summary>
internal sealed class ConversationPlaces
{
    private const int Size = 1 << 16;
    // The upper half tells conversations of one cell apart, the lower half is the instance's number.
    private readonly ulong[] _cells = new ulong[Size];

    /// <summary>A request of a conversation was given to an instance.</summary>
    /// <param name="affinity">Hash of the conversation's beginning; 0 for none.</param>
    /// <param name="model">The model's canonical name.</param>
    /// <param name="instance">The instance.</param>
    public void Note(ulong affinity, string model, Instance instance)
    {
        if (affinity == 0)
            return;
        var key = Key(affinity, model);
        Volatile.Write(ref _cells[key % Size], (key & 0xFFFF_FFFF_0000_0000) | instance.Seed);
    }

    /// <summary>The number (<see cref="Instance.Seed"/>) of the instance that had a conversation's last request; null if that is not known.</summary>
    public uint? Find(ulong affinity, string model)
    {
        if (affinity == 0)
            return null;
        var key = Key(affinity, model);
        var cell = Volatile.Read(ref _cells[key % Size]);
        return cell != 0 && (cell ^ key) <= uint.MaxValue ? (uint)cell : null;
    }

    private static ulong Key(ulong affinity, string model) => (affinity ^ ((ulong)(uint)string.GetHashCode(model, StringComparison.Ordinal) << 16)) * 0x9E37_79B9_7F4A_7C15;
}
