namespace OllamaBridge.Gateway.Settings;

/// <summary>Marks an options type or a setting whose change takes effect only after a restart.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Property)]
internal sealed class RestartRequiredAttribute : Attribute;
