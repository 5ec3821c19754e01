namespace OllamaBridge.Gateway.Activation;

/// <summary>A platform that starts and stops instances: one way to ask it.</summary>
internal interface IInstanceActivator
{
    /// <summary>What the configuration calls it.</summary>
    string Name { get; }

    /// <summary>How many of a tier's instances the platform is to have now, whoever said so.</summary>
    /// <exception cref="ActivationException">The platform does not say.</exception>
    Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken);

    /// <summary>Asks for so many.</summary>
    /// <param name="tier">The tier.</param>
    /// <param name="instances">How many.</param>
    /// <param name="seen">What was read before: where somebody else has changed it since, nothing is changed.</param>
    /// <param name="cancellationToken">Gives up; it may have been changed all the same.</param>
    /// <exception cref="ActivationException">The platform does not do it.</exception>
    Task WriteAsync(Tier tier, int instances, TierScale seen, CancellationToken cancellationToken);
}

/// <summary>What a platform is to have of a tier.</summary>
/// <param name="Instances">How many instances; null where it is not asked for that.</param>
/// <param name="Version">By which it tells this state from a later one; null where it does not.</param>
internal readonly record struct TierScale(int? Instances, string? Version = null);

/// <summary>Why a platform did not do what it was asked.</summary>
internal enum ActivationFailure
{
    /// <summary>It did not answer, or not as it should: another time it may.</summary>
    Failed,

    /// <summary>It will not: the bridge may not ask for it, or what is asked for is not there.</summary>
    Refused,

    /// <summary>Somebody else has changed it in between.</summary>
    Conflict,
}

/// <summary>A platform did not do what it was asked.</summary>
/// <param name="failure">Why.</param>
/// <param name="message">For whoever runs the bridge. Never a key.</param>
/// <param name="inner">What happened.</param>
internal sealed class ActivationException(ActivationFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Why.</summary>
    public ActivationFailure Failure { get; } = failure;

    /// <summary>What a platform's status says.</summary>
    public static ActivationFailure FailureOf(int status) => status switch
    {
        StatusCodes.Status409Conflict or StatusCodes.Status412PreconditionFailed => ActivationFailure.Conflict,
        StatusCodes.Status408RequestTimeout or StatusCodes.Status429TooManyRequests or >= 500 => ActivationFailure.Failed,
        _ => ActivationFailure.Refused,
    };
}
