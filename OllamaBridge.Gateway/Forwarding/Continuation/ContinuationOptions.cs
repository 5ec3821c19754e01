using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>How streams are gone on with whose instance fails them: section <c>Bridge:Continuation</c>.</summary>
internal sealed record ContinuationOptions
{
    public const string Section = "Bridge:Continuation";

    /// <summary>A client that sends <c>off</c> with it wants its stream from one instance, or an error.</summary>
    public const string Header = "X-Bridge-Continuation";

    /// <summary>The value that says so.</summary>
    public const string Off = "off";

    /// <summary>Whether a client wants its stream from one instance.</summary>
    public static bool IsUnwanted(IHeaderDictionary headers) =>
        headers.TryGetValue(Header, out var wish) && wish.ToString().Trim().Equals(Off, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it is done at all. Without it streams are passed on unread, and one that breaks off ends with an error.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>How often one answer may be gone on with.</summary>
    [Range(1, 100)]
    public int MaxContinuations { get; init; } = 10;

    /// <summary>The most text of one answer that is kept, in bytes; an answer that has more cannot be gone on with.</summary>
    [Range(0, 256 * 1024 * 1024)]
    public int MaxKept { get; init; } = 1024 * 1024;

    /// <summary>How long an instance may take to render a prompt.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan RenderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Silence in the middle of a stream that is never too long.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "01:00:00")]
    public TimeSpan MinStall { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Beyond that, silence of so many times what passes between two tokens lately is a stall.</summary>
    [Range(2.0, 1e6)]
    public double StallFactor { get; init; } = 30;

    /// <summary>Silence before the first token that is never too long, with the model in memory and another instance to ask.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "01:00:00")]
    public TimeSpan MinLateFirstToken { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Beyond that, so many times what it took lately is late.</summary>
    [Range(2.0, 1e6)]
    public double LateFactor { get; init; } = 10;

    /// <summary>How long before the deadline of a drain what still runs there begins to be moved, as far as others have free slots.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan DrainLead { get; init; } = TimeSpan.FromSeconds(2);
}

[OptionsValidator]
internal sealed partial class ContinuationOptionsValidator : IValidateOptions<ContinuationOptions>;
