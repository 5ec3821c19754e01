using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>For random keys and values, a start either applies every value or reports the key; it never fails in another way.</summary>
public sealed class SettingsFuzzTests
{
    private static readonly string[] Texts =
        ["", " ", "0", "1", "7", "-1", "1e6", "0x10", "four", "true", "FALSE", "yes", "30s", "1h30m", "00:00:30", "5:00", "NaN", "Admin", "inference,admin", "openai", "http://a", "null", "{}", "[]", "ä\u0001\n", "*"];

    private static readonly string[] Keys = [.. Paths("Bridge", GatewaySettings.Tree)];

    private static Gen<KeyValuePair<string, string?>> Setting =>
        from key in Gen.Elements(Keys)
        from edit in Gen.Choose(0, 12)
        from at in Gen.Choose(0, 1000)
        from text in Gen.OneOf(Gen.Elements(Texts), Gen.Choose(-5, 100_000).Select(n => $"{n}"), ArbMap.Default.GeneratorFor<NonNull<string>>().Select(s => s.Get))
        select KeyValuePair.Create(Edit(key, edit, at), (string?)text);

    [Fact]
    public void Read_AnySettings_EachAppliedOrReported() =>
        Prop.ForAll(Setting.ListOf().ToArbitrary(), settings =>
        {
            var configuration = new ConfigurationBuilder().AddInMemoryCollection(Distinct(settings)).Build();
            var read = SettingsReader.Read(configuration.GetSection("Bridge"), GatewaySettings.Tree);
            foreach (var (key, value) in Distinct(settings).Where(s => s.Key.StartsWith("Bridge:", StringComparison.OrdinalIgnoreCase)))
                Assert.True(
                    read.Values.ContainsKey(key) || IsAbsent(value) || read.Mistakes.Any(m => IsOn(key, m)),
                    $"{key} = '{value}' was neither taken nor told: {string.Join('\n', read.Mistakes)}");
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Start_AnySetting_AppliedOrReported() =>
        Prop.ForAll(Setting.ToArbitrary(), setting =>
        {
            using var app = GatewaySettings.Build(setting);
            try
            {
                app.ValidateOptions();
            }
            catch (OptionsValidationException e)
            {
                var section = string.Join(':', setting.Key.Split(':').Take(2));
                Assert.Contains(e.Failures, f => f.StartsWith(section, StringComparison.OrdinalIgnoreCase) || IsOn(setting.Key, f));
                return;
            }

            // A value is applied if the options differ from the defaults or the value is the default.
            var read = SettingsReader.Read(app.Services.GetRequiredService<IConfiguration>().GetSection("Bridge"), GatewaySettings.Tree);
            foreach (var (key, text) in read.Values.Where(v => !string.IsNullOrEmpty(v.Value)))
                Assert.True(IsInEffect(app.Services, key, text!), $"{key} = '{text}' has no effect.");
        }).QuickCheckThrowOnFailure();

    private static bool IsInEffect(IServiceProvider services, string key, string text)
    {
        foreach (var section in GatewaySettings.Sections.Where(s => key.StartsWith($"{s.Section}:", StringComparison.OrdinalIgnoreCase)))
        {
            object? value = ((IOptions<object>)services.GetRequiredService(typeof(IOptions<>).MakeGenericType(section.Type))).Value;
            foreach (var part in key[(section.Section.Length + 1)..].Split(':'))
                value = value switch
                {
                    null => null,
                    System.Collections.IDictionary map => map[map.Keys.Cast<string>().FirstOrDefault(k => k.Equals(part, StringComparison.OrdinalIgnoreCase)) ?? ""],
                    // Gaps between indices are removed.
                    System.Collections.IEnumerable list when int.TryParse(part, out _) => list.Cast<object?>().FirstOrDefault(),
                    _ => value.GetType().GetProperty(part) is { } property ? property.GetValue(value) : null,
                };
            if (value is Uri url && url.OriginalString == text)
                return true;
            if (value is not null && SettingText.Read(value.GetType(), value is IFormattable f ? f.ToString(null, System.Globalization.CultureInfo.InvariantCulture) : value.ToString()!, out var canonical) is null
                && (canonical == text || (value is double or float && Math.Abs(Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture) - double.Parse(text, System.Globalization.CultureInfo.InvariantCulture)) < 1e-3 * Math.Abs(double.Parse(text, System.Globalization.CultureInfo.InvariantCulture)) + 1e-9)
                    || (value is bool b && bool.Parse(text) == b)))
                return true;
        }

        return false;
    }

    // A setting is absent if it is null or, for collections and optional values, empty.
    private static bool IsAbsent(string? value) => string.IsNullOrEmpty(value);

    private static bool IsOn(string key, string mistake) =>
        mistake.IndexOf(": ", StringComparison.Ordinal) is > 0 and var end && $"{Shown(key)}:".StartsWith($"{mistake[..end]}:", StringComparison.OrdinalIgnoreCase);

    private static string Shown(string key) => string.Concat(key.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));

    private static IEnumerable<KeyValuePair<string, string?>> Distinct(IEnumerable<KeyValuePair<string, string?>> settings) => settings.DistinctBy(s => s.Key, StringComparer.OrdinalIgnoreCase);

    private static string Edit(string key, int edit, int at) => edit switch
    {
        0 => key.Remove(Math.Min(at % key.Length, key.Length - 1), 1),
        1 => key.Insert(at % key.Length, "x"),
        2 => $"{key}:0",
        3 => $"{key}:More",
        4 when key.LastIndexOf(':') is > 6 and var end => key[..end],
        5 => key.ToUpperInvariant(),
        _ => key,
    };

    private static IEnumerable<string> Paths(string key, SettingNode node) => node switch
    {
        SettingObject section => section.Members.SelectMany(m => Paths($"{key}:{m.Key}", m.Value)),
        SettingMap map => Paths($"{key}:a", map.Element),
        SettingList list => Paths($"{key}:0", list.Element),
        _ => [key],
    };
}
