namespace OllamaBridge.Simulator;

/// <summary>A template's treatment of a conversation that ends with an assistant message (recordings 06-*).</summary>
public enum ChatTemplate
{
    /// <summary>Ranges over the messages and closes every turn: a trailing assistant message is closed and a new response begins.</summary>
    Messages,

    /// <summary>Ranges over the messages but leaves a trailing assistant message open: it is continued.</summary>
    Prefill,

    /// <summary>The older form with .Prompt and .Response: a trailing assistant message is continued.</summary>
    Legacy,

    /// <summary>The template that comes with the weights (Jinja): a trailing assistant message is continued.</summary>
    Jinja,

    /// <summary>Only the prompt, without any marker.</summary>
    Bare,
}
