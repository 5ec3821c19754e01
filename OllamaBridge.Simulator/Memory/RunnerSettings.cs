namespace OllamaBridge.Simulator.Memory;

/// <summary>The options with which a model is loaded; others mean loading it again.</summary>
internal readonly record struct RunnerSettings(int ContextLength, long? Batch, long? GpuLayers, long? MainGpu, long? Threads, bool? Mmap);
