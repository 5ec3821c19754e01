using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>The shared state of gateways: section <c>Bridge:State</c>. Without a Redis, each gateway keeps its state in memory.</summary>
[RestartRequired]
internal sealed record StateOptions
{
    public const string Section = "Bridge:State";

    /// <summary>Name of the connection string that Aspire sets for a reference to the resource <c>state</c>.</summary>
    public const string AspireName = "state";

    /// <summary>A StackExchange.Redis connection string such as <c>host:6379,password=…,ssl=true</c>; <c>ConnectionStrings:state</c> by default. Never
    /// logged.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>Prefix of every key.</summary>
    [Required]
    public string KeyPrefix { get; init; } = "ollamabridge:";

    /// <summary>Time limit of short Redis operations. A request waits at most this long, for a larger claim on its quota or after a loss.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:00:00.050")]
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Interval between probes of Redis.</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:01:00")]
    public TimeSpan ProbeInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether a Redis is configured.</summary>
    public bool IsShared => !string.IsNullOrWhiteSpace(ConnectionString);

    /// <summary>Omits the connection string, which may contain a password.</summary>
    public override string ToString() => IsShared ? $"shared, keys begin with {KeyPrefix}" : "in memory";
}

[OptionsValidator]
internal sealed partial class StateOptionsValidator : IValidateOptions<StateOptions>;

/// <summary>Validates the connection string, without repeating it in the error.</summary>
internal sealed class StateConnectionValidator : IValidateOptions<StateOptions>
{
    private const string Setting = "Bridge:State:ConnectionString (or ConnectionStrings:state)";

    public ValidateOptionsResult Validate(string? name, StateOptions options)
    {
        if (string.IsNullOrEmpty(options.ConnectionString))
            return ValidateOptionsResult.Success;
        // A blank value would silently mean state in memory.
        if (!options.IsShared)
            return ValidateOptionsResult.Fail($"{Setting}: is blank. Write host:6379, or leave the setting out for state in memory.");
        if (options.ConnectionString!.Contains("://", StringComparison.Ordinal))
            return ValidateOptionsResult.Fail($"{Setting}: is a URL. Write host:6379,user=…,password=…,ssl=true.");
        return IsReadable(options.ConnectionString)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"{Setting}: is not a Redis connection string such as host:6379,password=….");
    }

    private static bool IsReadable(string text)
    {
        try
        {
            return ConfigurationOptions.Parse(text).EndPoints.Count > 0;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return false;
        }
    }
}
