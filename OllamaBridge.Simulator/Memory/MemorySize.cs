namespace OllamaBridge.Simulator.Memory;

/// <summary>The memory of a loaded model: its weights, and a key-value cache that grows with context and slots.</summary>
internal static class MemorySize
{
    private const int BytesPerValue = 2;
    private const int HeadsPerKeyValueHead = 4;

    public static long Of(SimulatedModel model, int contextLength, int slots)
    {
        var perToken = 2L * BytesPerValue * model.Architecture.BlockCount * model.Architecture.EmbeddingLength / HeadsPerKeyValueHead;
        return model.SizeBytes + (perToken * contextLength * slots);
    }
}
