using System.Text;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>Runs a generation through its stages: load, slot, prompt, tokens, end.</summary>
internal static class GenerationEngine
{
    /// <exception cref="ApiError">The request failed before anything was sent.</exception>
    public static async Task RunAsync(Call call, GenerationRequest request, TokenSink sink)
    {
        var ct = call.Aborted;
        var time = call.Time;
        var began = time.GetTimestamp();
        using var lease = await call.Memory.AcquireAsync(request.Stored, request.Options.Runner, request.KeepAlive, ct);
        await lease.EnterSlotAsync(ct);
        var loaded = time.GetTimestamp();
        if (request.ErrorOnceLoaded is { } error)
            await sink.FailAsync(error, ct);
        var promptTokens = PromptTokens(request);
        var pace = new Pace(time, request.Stored.Model, call.Options);
        var strike = new FaultStrike(call, request.Stored, sink);
        await strike.BeforeFirstTokenAsync();
        await pace.PrefillAsync(promptTokens, ct);
        var evaluated = time.GetTimestamp();
        var run = new Run(request, sink, strike, pace, Limit(request, promptTokens));
        try
        {
            await run.GoAsync(call);
        }
        finally
        {
            call.Server.Statistics.TokensGenerated(run.Tokens);
        }
        lease.Dispose();
        call.Leave();
        if (run.Ended)
            return;
        await sink.EndAsync(new GenerationEnd
        {
            Reason = run.Reason,
            PromptTokens = promptTokens,
            EvalTokens = run.Tokens,
            TotalDuration = Nanoseconds(time.GetElapsedTime(began)),
            LoadDuration = Nanoseconds(time.GetElapsedTime(began, loaded)),
            PromptDuration = Nanoseconds(time.GetElapsedTime(loaded, evaluated)),
            EvalDuration = Nanoseconds(time.GetElapsedTime(evaluated)),
            Said = run.Said,
            CalledTool = run.CalledTool,
        }, ct);
    }

    private static long samples;

    public static long Nanoseconds(TimeSpan span) => Math.Max(1000, span.Ticks * 100);

    private static int PromptTokens(GenerationRequest request)
    {
        var tokens = Tokenizer.Count(request.Prompt) + request.Context.Count + 1;
        var context = request.Options.Runner.ContextLength;
        if (tokens <= context)
            return tokens;
        const string Exceeds = "exceed_context_size_error";
        return request.Truncate ? (context / 2) + 3 : throw new ApiError(400,
            $"{{\"error\":{{\"code\":400,\"message\":\"request ({tokens} tokens) exceeds the available context size ({context} tokens), try increasing it\","
            + $"\"type\":\"{Exceeds}\",\"n_prompt_tokens\":{tokens},\"n_ctx\":{context}}}}}");
    }

    private static int Limit(GenerationRequest request, int promptTokens)
    {
        var limit = request.Options.MaxTokens ?? request.Stored.Model.MaxTokens ?? int.MaxValue;
        return request.Shift ? limit : Math.Min(limit, Math.Max(1, request.Options.Runner.ContextLength - promptTokens));
    }

    /// <summary>The token loop.</summary>
    private sealed class Run(GenerationRequest request, TokenSink sink, FaultStrike strike, Pace pace, int limit)
    {
        private readonly StringBuilder _said = new();
        private readonly StopMatcher? _stops = request.Options.Stop.Count > 0 ? new StopMatcher(request.Options.Stop) : null;

        public int Tokens { get; private set; }

        public string Reason { get; private set; } = "stop";

        public bool CalledTool { get; private set; }

        /// <summary>Whether a fault has ended the response.</summary>
        public bool Ended { get; private set; }

        public string Said => _said.ToString();

        public async Task GoAsync(Call call)
        {
            var answer = new AnswerText(
                request.Stored.Model, request.Options.EffectiveSeed ?? Sample(), Prefix(request), request.Script, request.ScriptKind);
            while (true)
            {
                if (Tokens >= limit)
                {
                    Reason = "length";
                    break;
                }
                if (!answer.TryNext(out var token))
                    break;
                await pace.TokenAsync(call.Aborted);
                await call.Server.Faults.WhileFrozenAsync(call.Path, request.Stored.ShortName, call.Aborted);
                if (call.Server.Faults.Slowness(call.Path, request.Stored.ShortName) is { Ticks: > 0 } slowness)
                    await Task.Delay(slowness, call.Time, call.Aborted);
                Tokens++;
                _said.Append(token.Text);
                if (!await SendAsync(token, call.Aborted))
                    break;
                if (Ended)
                    return;
            }
            if (_stops?.Rest() is { Length: > 0 } rest && Reason == "stop" && !CalledTool)
                await ShowAsync(rest, 0, call.Aborted);
            if (request.Call is { } made && !request.Raw && Reason == "stop")
            {
                CalledTool = true;
                Ended = await strike.BeforeTokenAsync();
                if (!Ended)
                    await sink.SendAsync(new OutputPiece("", TokenKind.Call, 0, made), call.Aborted);
            }
            Ended = Ended || await strike.BeforeTokenAsync();
        }

        /// <summary>False if a stop sequence ends the response.</summary>
        private async ValueTask<bool> SendAsync(GeneratedToken token, CancellationToken ct)
        {
            if (!request.Raw && token.Kind == TokenKind.Call)
                return true;
            var (text, stopped) = _stops is null ? (token.Text, false) : _stops.Add(token.Text);
            if (text.Length > 0)
                await ShowAsync(text, token.Random, ct);
            return Ended || !stopped;
        }

        private async ValueTask ShowAsync(string text, ulong random, CancellationToken ct)
        {
            var (thinking, content) = request.Thinking?.Add(text) ?? ("", text);
            if (thinking.Length > 0)
                await SendAsync(new OutputPiece(thinking, TokenKind.Thinking, random), ct);
            if (content.Length > 0 || (thinking.Length == 0 && request.ShowsEmptyTokens))
                await SendAsync(new OutputPiece(content, TokenKind.Content, random), ct);
        }

        private async ValueTask SendAsync(OutputPiece piece, CancellationToken ct)
        {
            Ended = Ended || await strike.BeforeTokenAsync();
            if (!Ended)
                await sink.SendAsync(piece, ct);
        }

        /// <summary>A unique seed for a sampled response; null for a deterministic one.</summary>
        private long? Sample() => request.Stored.Model.Samples && request.Options.Temperature != 0 ? Interlocked.Increment(ref samples) : null;

        private static string Prefix(GenerationRequest request) =>
            request.Context.Count == 0 ? request.Prompt : string.Join(',', request.Context) + request.Prompt;
    }
}
