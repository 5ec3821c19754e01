namespace OllamaBridge.Simulator.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">user, assistant, system, tool.</param>
/// <param name="Content">Its text.</param>
internal sealed record ChatMessage(string Role, string Content)
{
    /// <summary>What the assistant thought.</summary>
    public string Thinking { get; init; } = "";

    /// <summary>Calls that the assistant made, as text.</summary>
    public string Calls { get; init; } = "";

    public bool HasImages { get; init; }
}
