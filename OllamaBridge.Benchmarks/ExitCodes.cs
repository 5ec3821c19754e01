namespace OllamaBridge.Benchmarks;

/// <summary>What the process ends with.</summary>
internal static class ExitCodes
{
    /// <summary>Every target was met.</summary>
    public const int Met = 0;

    /// <summary>A target was missed.</summary>
    public const int Missed = 1;

    /// <summary>Something stood in the way of measuring.</summary>
    public const int NotMeasured = 2;
}

/// <summary>A measurement that cannot be trusted, and why.</summary>
internal sealed class MeasurementException(string message) : Exception(message);
