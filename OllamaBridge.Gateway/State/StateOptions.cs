using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.State;

/// <summary>Where gateways meet: section <c>Bridge:State</c>. Nothing configured: each keeps its state in its own memory.</summary>
[RestartRequired]
internal sealed record StateOptions
{
    public const string Section = "Bridge:State";

    /// <summary>The connection string that Aspire passes to whoever references the resource <c>state</c>.</summary>
    public const string AspireName = "state";

    /// <summary>Redis as StackExchange.Redis writes it (<c>host:6379,password=…</c>), or as a URL (<c>redis://:PASSWORD@host:6379</c>, <c>rediss://</c> with TLS); else <c>ConnectionStrings:state</c>. Never logged.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>What every key begins with.</summary>
    [Required]
    public string KeyPrefix { get; init; } = "ollamabridge:";

    /// <summary>How long anybody waits for an answer of Redis: it is what the first requests after a loss wait.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:00:00.050")]
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Time between two looks at whether Redis answers.</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:01:00")]
    public TimeSpan ProbeInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether there is a Redis to ask.</summary>
    public bool IsShared => !string.IsNullOrWhiteSpace(ConnectionString);

    /// <summary>Not the members: one of them may have a password in it.</summary>
    public override string ToString() => IsShared ? $"shared, keys begin with {KeyPrefix}" : "in memory";
}

[OptionsValidator]
internal sealed partial class StateOptionsValidator : IValidateOptions<StateOptions>;

/// <summary>What no attribute can say. The connection string itself stays out of every message.</summary>
internal sealed class StateConnectionValidator : IValidateOptions<StateOptions>
{
    public ValidateOptionsResult Validate(string? name, StateOptions options) =>
        !options.IsShared || IsReadable(options.ConnectionString!)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail("Bridge:State:ConnectionString (or ConnectionStrings:state): not a Redis connection string such as host:6379,password=…, and not a URL such as redis://:PASSWORD@host:6379.");

    private static bool IsReadable(string text)
    {
        try
        {
            return RedisConnectionString.Parse(text).EndPoints.Count > 0;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return false;
        }
    }
}
