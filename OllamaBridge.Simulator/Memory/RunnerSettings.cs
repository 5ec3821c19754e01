namespace OllamaBridge.Simulator.Memory;

/// <summary>The options with which a model is loaded; other options require another load.</summary>
internal readonly record struct RunnerSettings(int ContextLength, long? Batch, long? GpuLayers, long? MainGpu, long? Threads, bool? Mmap);
