using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Reads and sets the number of instances that a platform runs for a tier.</summary>
internal interface IInstanceActivator
{
    /// <summary>The value of <see cref="TierOptions.Activator"/> that selects this activator.</summary>
    string Name { get; }

    /// <summary>Reads the desired scale that the platform currently has for a tier, whichever client set it.</summary>
    /// <exception cref="ActivationException">The scale cannot be read.</exception>
    Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken);

    /// <summary>Sets the desired number of instances. After a cancellation, the platform may have applied the change nevertheless.</summary>
    /// <exception cref="ActivationException">
    /// The scale was not changed, or the result is unknown. A conflict if <paramref name="seen"/> has a version and the scale has changed since.
    /// </exception>
    Task WriteAsync(Tier tier, int instances, TierScale seen, CancellationToken cancellationToken);
}

/// <summary>Null <paramref name="Instances"/>: the platform cannot be read. <paramref name="Version"/> is for optimistic concurrency, if supported.</summary>
internal readonly record struct TierScale(int? Instances, string? Version = null);

internal enum ActivationFailure
{
    /// <summary>No response, or an unexpected one; a retry may succeed.</summary>
    Failed,

    /// <summary>The request is not permitted, or its target does not exist; a retry does not help.</summary>
    Refused,

    /// <summary>Another client changed the scale between the read and the write.</summary>
    Conflict,
}

/// <summary>A platform did not execute a scale request. The message is shown to operators and must not contain a key.</summary>
internal sealed class ActivationException(ActivationFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    public ActivationFailure Failure { get; } = failure;

    public static ActivationFailure FailureOf(int status) => status switch
    {
        StatusCodes.Status409Conflict or StatusCodes.Status412PreconditionFailed => ActivationFailure.Conflict,
        StatusCodes.Status408RequestTimeout or StatusCodes.Status429TooManyRequests or >= 500 => ActivationFailure.Failed,
        _ => ActivationFailure.Refused,
    };
}
