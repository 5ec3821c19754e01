namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Recognizes errors about insufficient memory. Pure. They decide on the instance of the next attempt, not on the fault.</summary>
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

    public static bool IsToldBy(ReadOnlySpan<byte> error)
    {
        foreach (var words in Words)
            if (error.IndexOf(words) >= 0)
                return true;
        return false;
    }
}
