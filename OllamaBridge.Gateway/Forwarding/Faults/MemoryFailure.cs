namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Recognizes that a model did not fit into memory. Pure. It decides where the next attempt goes, not whose fault it is.</summary>
internal static class MemoryFailure
{
    private static readonly byte[][] Words =
    [
        "requires more system memory"u8.ToArray(), // Ollama
        "out of memory"u8.ToArray(), // CUDA, ROCm, PyTorch, Metal
        "cudaMalloc failed"u8.ToArray(), // llama.cpp
        "unable to allocate"u8.ToArray(), // llama.cpp
        "failed to allocate"u8.ToArray(), // llama.cpp
        "insufficient memory"u8.ToArray(),
    ];

    /// <summary>Whether an error says that memory did not suffice.</summary>
    public static bool IsToldBy(ReadOnlySpan<byte> error)
    {
        foreach (var words in Words)
            if (error.IndexOf(words) >= 0)
                return true;
        return false;
    }
}
