namespace OllamaBridge.Simulator.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">user, assistant, system, tool.</param>
/// <param name="Content">The text.</param>
internal sealed record ChatMessage(string Role, string Content)
{
    /// <summary>The assistant's thinking.</summary>
    public string Thinking { get; init; } = "";

    /// <summary>The assistant's tool calls as text.</summary>
    public string Calls { get; init; } = "";

    public bool HasImages { get; init; }
}
