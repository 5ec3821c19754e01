using System.Text;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Chat;

/// <summary>Renders conversations and prompts into the model's input text (recordings 06-*-rendered).</summary>
internal static class PromptRenderer
{
    public static string Chat(SimulatedModel model, IReadOnlyList<ChatMessage> messages, bool? think, string tools)
    {
        if (model.Template == ChatTemplate.Bare)
            return string.Concat(messages.Select(m => m.Content));
        var text = new StringBuilder();
        if (model.System is { Length: > 0 } system && !messages.Any(m => m.Role == "system"))
            Turn(text, PromptMarks.System, system);
        if (tools.Length > 0)
            Turn(text, PromptMarks.System, tools);
        for (var i = 0; i < messages.Count; i++)
        {
            var message = messages[i];
            if (message.Role == "assistant" && i == messages.Count - 1 && model.Template != ChatTemplate.Messages)
                return Open(text, model.Thinking, message);
            if (message.Role == "assistant")
                Turn(text, PromptMarks.Assistant, Thought(model, message, isLast: i == messages.Count - 1) + message.Content + message.Calls);
            else if (Mark(message.Role) is { } mark)
                Turn(text, mark, message.Content);
        }
        return text.Append(PromptMarks.Assistant).Append(ThinkPrefix(model, think)).ToString();
    }

    public static string Generate(SimulatedModel model, ChatTemplate template, string system, string prompt, string suffix, bool? think)
    {
        if (suffix.Length > 0)
            return $"<|prefix|>{prompt}<|suffix|>{suffix}<|middle|>";
        if (template == ChatTemplate.Bare)
            return prompt;
        var text = new StringBuilder();
        if ((system.Length > 0 ? system : model.System) is { Length: > 0 } said)
            Turn(text, PromptMarks.System, said);
        Turn(text, PromptMarks.User, prompt);
        return text.Append(PromptMarks.Assistant).Append(ThinkPrefix(model, think)).ToString();
    }

    private static string ThinkPrefix(SimulatedModel model, bool? think) =>
        !model.Can(ModelCapability.Thinking) ? ""
        : think == false ? model.Thinking.Before + model.Thinking.After
        : model.Thinking.Opened;

    private static string Thought(SimulatedModel model, ChatMessage message, bool isLast) =>
        message.Thinking.Length == 0 || !model.Can(ModelCapability.Thinking) || (isLast && !model.Thinking.RendersLast)
            ? ""
            : model.Thinking.Before + message.Thinking + model.Thinking.After;

    private static string Open(StringBuilder text, ThinkingStyle style, ChatMessage message)
    {
        text.Append(PromptMarks.Assistant);
        if (message.Thinking.Length > 0 && style.RendersLast)
        {
            text.Append(style.Before).Append(message.Thinking);
            if (message.Content.Length > 0)
                text.Append(style.After);
        }

        return text.Append(message.Content).ToString();
    }

    private static void Turn(StringBuilder text, string mark, string content) => text.Append(mark).Append(content).Append(PromptMarks.End);

    private static string? Mark(string role) => role switch
    {
        "user" => PromptMarks.User,
        "system" => PromptMarks.System,
        "tool" => PromptMarks.Tool,
        _ => null,
    };
}
