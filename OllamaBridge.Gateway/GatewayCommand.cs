using System.CommandLine;
using System.CommandLine.Help;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway;

/// <summary>The command line. Without a command it runs the gateway.</summary>
internal static class GatewayCommand
{
    public const string CheckConfigName = "check-config";

    // EX_USAGE of sysexits.h.
    private const int UsageExitCode = 64;

    private const string Settings =
        "Settings follow in the form --Bridge:Queue:Length=200 or --urls http://127.0.0.1:11400. Others come from appsettings.json and the environment (docs/configuration.md).";

    /// <summary>Runs a command and returns the exit code: 0; 64 for an invalid command line; 78 for settings that prevent startup.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors)
    {
        var root = Create(args, output, errors);
        if (FindUnknownCommand(args) is { } unknown)
        {
            var nearest = NearestName.Of(unknown, root.Subcommands.Select(c => c.Name));
            await errors.WriteLineAsync($"There is no command {SettingText.Quote(unknown)}. The nearest one is {nearest}; --help lists all.");
            return UsageExitCode;
        }

        // A file name may begin with '@' and a value with '[': both have a meaning for the parser by default.
        var line = root.Parse(args.Length > 0 && IsOwn(root, args[0]) ? args[..1] : [], new ParserConfiguration { ResponseFileTokenReplacer = null });
        // The host, not the parser, handles signals; exceptions propagate to the caller.
        return await line.InvokeAsync(
            new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false, Output = output, Error = errors });
    }

    private static RootCommand Create(string[] args, TextWriter output, TextWriter errors)
    {
        var root = new RootCommand($"One Ollama address in front of many Ollama servers. Without a command the gateway runs. {Settings}");
        root.SetAction((_, _) => RunGatewayAsync(args, errors));
        var check = new Command(
            CheckConfigName,
            $"Checks all settings without starting: prints OK, or each mistake in a line and exits with {StartupFailure.ExitCode}. {Settings}");
        check.SetAction((_, _) => Task.FromResult(Check(args[1..], output, errors)));
        var key = new Command(NewKeyCommand.Name, "Makes an API key and the verifier to configure for it.");
        key.SetAction(_ => NewKeyCommand.Run(output));
        root.Subcommands.Add(check);
        root.Subcommands.Add(key);
        return root;
    }

    // Only the first word may be a command: the rest belongs to the configuration, which reads '--key value' and 'key=value'.
    private static string? FindUnknownCommand(string[] args) => args switch
    {
        [CheckConfigName, .. var settings] => settings is [var word, ..] && IsWord(word) ? word : null,
        [NewKeyCommand.Name] => null,
        [NewKeyCommand.Name, var more, ..] => more is "--help" or "-h" or "-?" ? null : more,
        [var word, ..] when IsWord(word) => word,
        _ => null,
    };

    private static bool IsWord(string text) => !text.StartsWith('-') && !text.StartsWith('/') && !text.Contains('=', StringComparison.Ordinal);

    private static bool IsOwn(RootCommand root, string word) =>
        root.Subcommands.Any(c => c.Name == word) || root.Options.Any(o => o is HelpOption or VersionOption && (o.Name == word || o.Aliases.Contains(word)));

    private static async Task<int> RunGatewayAsync(string[] args, TextWriter errors)
    {
        IReadOnlyList<string> addresses = [];
        try
        {
            var builder = WebApplication.CreateBuilder(args).AddGateway();
            addresses = ListenRules.Addresses(builder.Configuration);
            var isStarted = false;
            // A failed startup is reported below, without its stack trace.
            builder.Logging.AddFilter(
                "Microsoft.Extensions.Hosting.Internal.Host", level => level >= LogLevel.Warning && (Volatile.Read(ref isStarted) || level < LogLevel.Error));
            await using var app = builder.Build();
            app.ValidateOptions();
            app.MapGateway();
            await app.StartAsync();
            Volatile.Write(ref isStarted, true);
            await app.WaitForShutdownAsync();
            return app.Services.GetRequiredService<StateConnection>().Refusal is { } refusal ? StartupFailure.Write([refusal], errors) : 0;
        }
        catch (Exception e) when (StartupFailure.IsOwnProcess && StartupFailure.Describe(e, addresses) is { } causes)
        {
            return StartupFailure.Write(causes, errors);
        }
    }

    private static int Check(string[] args, TextWriter output, TextWriter errors)
    {
        try
        {
            using var app = WebApplication.CreateBuilder(args).AddGateway().Build();
            app.ValidateOptions();
            output.WriteLine("OK");
            return 0;
        }
        catch (Exception e) when (StartupFailure.Describe(e, []) is { } causes)
        {
            return StartupFailure.Write(causes, errors);
        }
    }
}
