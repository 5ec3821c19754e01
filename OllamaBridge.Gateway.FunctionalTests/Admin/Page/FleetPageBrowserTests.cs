using Microsoft.Playwright;
using OllamaBridge.Gateway.FunctionalTests.Activation;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Admin.Page;

/// <summary>The fleet page in a real browser (Debian's Chromium). FLEET_SCREENSHOT names a file for a screenshot.</summary>
[Collection(nameof(Alone))]
public sealed class FleetPageBrowserTests
{
    private const string Browser = "/usr/bin/chromium";
    private static readonly string[] Models = ["deepseek-r1:7b", "llama3.2:3b", "qwen3:8b"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Page_FailingInstanceUnderLoad_ShownAndDrainedByClick()
    {
        await using var fleet = await TestFleet.StartAsync(
            4, SimulatorOptions.Instant with { ParallelSlots = 2, MaxLoadedModels = 2, DecodePerToken = TimeSpan.FromMilliseconds(20) }, Models);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable), "all instances are usable");
        fleet[3].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        await using var load = new Load(bridge, clients: 12);
        await Eventually.BecomesAsync(() => load.Ended >= 40, TimeSpan.FromSeconds(60));
        var (playwright, browser) = await LaunchAsync();
        using var driver = playwright;
        await using var closing = browser;
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 800 }, ColorScheme = ColorScheme.Light });
        var errors = Watch(page);

        await page.GotoAsync($"{bridge.Url}bridge/");

        var rows = page.Locator("#instances tbody tr");
        await Assertions.Expect(rows).ToHaveCountAsync(4);
        // Its health routes also fail, unless they were probed before the failures started.
        await Assertions.Expect(rows.Nth(3)).ToContainTextAsync(new System.Text.RegularExpressions.Regex("unhealthy|ejected"));
        await Assertions.Expect(page.Locator("#troubles tbody tr").First).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("#queue tbody tr").First).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Drain sim-2", Exact = true }).ClickAsync();
        await Assertions.Expect(rows.Nth(1)).ToContainTextAsync("draining");
        await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Undrain sim-2", Exact = true })).ToBeVisibleAsync();
        Assert.True(bridge.Fleet.Current.Instances.Single(i => i.Instance.Name == "sim-2").Draining);
        if (Environment.GetEnvironmentVariable("FLEET_SCREENSHOT") is { Length: > 0 } file)
        {
            // Several steps of figures, so that the charts have lines.
            var until = load.Ended + 250;
            await Eventually.BecomesAsync(() => load.Ended >= until, TimeSpan.FromSeconds(90));
            await page.ScreenshotAsync(new() { Path = file });
        }

        // With the keyboard only.
        await page.GetByRole(AriaRole.Button, new() { Name = "Undrain sim-2", Exact = true }).FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await bridge.UntilAsync(s => s.Instances.Single(i => i.Instance.Name == "sim-2") is { Draining: false }, "work again");
        Assert.Empty(errors);
    }

    [Fact]
    public async Task Page_HundredInstancesOnDarkPhone_AllShownWithoutHorizontalScroll()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        // Port 1 has no listener.
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, [.. Enumerable.Range(1, 99).SelectMany(i => new[]
        {
            ($"Bridge:Instances:{i}:Name", $"a-server-with-quite-a-long-name-{i}"),
            ($"Bridge:Instances:{i}:Url", $"http://127.1.0.{i}:1"),
        })]);
        var (playwright, browser) = await LaunchAsync();
        using var driver = playwright;
        await using var closing = browser;
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 390, Height = 844 }, ColorScheme = ColorScheme.Dark });
        var errors = Watch(page);

        await page.GotoAsync($"{bridge.Url}bridge/");

        await Assertions.Expect(page.Locator("#instances tbody tr")).ToHaveCountAsync(100);
        await Assertions.Expect(page.Locator("#instances button")).ToHaveCountAsync(100);
        Assert.Equal(0, await page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth"));
        Assert.Equal("rgb(16, 20, 24)", await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
        Assert.Empty(errors);
    }

    [Fact]
    public async Task Page_KeyRequired_PromptedAndKeptForTab()
    {
        var (admin, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Tenants:ops:Keys:0", verifier.ToString()), ("Bridge:Tenants:ops:Scopes", "Admin"));
        var (playwright, browser) = await LaunchAsync();
        using var driver = playwright;
        await using var closing = browser;
        var page = await browser.NewPageAsync();

        await page.GotoAsync($"{bridge.Url}bridge/");
        await page.Locator("#key").FillAsync("wrong");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator("#refusal")).ToContainTextAsync("not known");
        await page.Locator("#key").FillAsync(admin);
        await page.Keyboard.PressAsync("Enter");

        await Assertions.Expect(page.Locator("#instances tbody tr")).ToHaveCountAsync(1);
        await page.GetByRole(AriaRole.Button, new() { Name = "Drain sim-1", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator("#instances tbody tr")).ToContainTextAsync("draining");
        Assert.Equal(0, await page.EvaluateAsync<int>("localStorage.length"));
        Assert.Equal("", await page.EvaluateAsync<string>("document.cookie"));
    }

    [Fact]
    public async Task Page_ColdTierAndOpenAIServer_Distinguished()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync(("Bridge:Instances:1:Name", "other"), ("Bridge:Instances:1:Url", "http://127.0.0.1:1"), ("Bridge:Instances:1:Kind", "OpenAI"));
        var (playwright, browser) = await LaunchAsync();
        using var driver = playwright;
        await using var closing = browser;
        var page = await browser.NewPageAsync();
        var errors = Watch(page);

        await page.GotoAsync($"{bridge.Url}bridge/");

        var tier = page.Locator("#tiers tbody tr");
        await Assertions.Expect(tier).ToHaveCountAsync(1);
        await Assertions.Expect(tier).ToContainTextAsync("asleep");
        await Assertions.Expect(page.Locator("#instances tbody tr").Filter(new() { HasText = "other" })).ToContainTextAsync("OpenAI server");
        (await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token)).Dispose();
        await Assertions.Expect(tier).ToContainTextAsync("awake");
        await Assertions.Expect(tier).ToContainTextAsync("1 there, 1 wanted, at most 1");
        await Assertions.Expect(page.Locator("#instances tbody tr").Filter(new() { HasText = "ollama-cold-0" })).ToHaveCountAsync(1);
        Assert.Empty(errors);
    }

    private static async Task<(IPlaywright Playwright, IBrowser Browser)> LaunchAsync()
    {
        Assert.SkipUnless(File.Exists(Browser), $"Chromium is not there: {Browser}");
        var playwright = await Playwright.CreateAsync();
        return (playwright, await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Browser, Args = Environment.IsPrivilegedProcess ? ["--no-sandbox"] : [] }));
    }

    private static List<string> Watch(IPage page)
    {
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                errors.Add(message.Text);
        };
        return errors;
    }

    /// <summary>Clients that send requests for alternating models until they are disposed.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private readonly CancellationTokenSource _over = CancellationTokenSource.CreateLinkedTokenSource(Token);
        private readonly Task _clients;
        private int _ended;

        public Load(TestBridge bridge, int clients) => _clients = Task.WhenAll(Enumerable.Range(0, clients).Select(i => AskAsync(bridge, i)));

        public int Ended => Volatile.Read(ref _ended);

        public async ValueTask DisposeAsync()
        {
            await _over.CancelAsync();
            await _clients;
            _over.Dispose();
        }

        private async Task AskAsync(TestBridge bridge, int client)
        {
            try
            {
                for (var i = client; ; i++)
                {
                    using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(Models[i % Models.Length], stream: false, tokens: 12, text: $"{client}"), _over.Token);
                    Interlocked.Increment(ref _ended);
                }
            }
            catch (OperationCanceledException)
            {
                // The load has ended.
            }
        }
    }
}
