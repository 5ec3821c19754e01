namespace OllamaBridge.Gateway.Naming;

/// <summary>Why another model is asked in a model's place.</summary>
internal enum FallbackCause
{
    /// <summary>No instance that has it can be given work, or none has it.</summary>
    Unavailable,

    /// <summary>Every instance that was asked failed.</summary>
    Failed,

    /// <summary>Its instances are busy for longer than the next model's.</summary>
    Busy,

    /// <summary>The request is longer than the model's context.</summary>
    TooLong,
}
