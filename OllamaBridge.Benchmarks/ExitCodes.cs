namespace OllamaBridge.Benchmarks;

/// <summary>The exit codes of the process.</summary>
internal static class ExitCodes
{
    public const int Met = 0;

    public const int Missed = 1;

    /// <summary>The measurement failed.</summary>
    public const int NotMeasured = 2;
}

/// <summary>A measurement failed or its result is not valid. The message has the reason.</summary>
internal sealed class MeasurementException(string message) : Exception(message);
