namespace OllamaBridge.Simulator.Json;

/// <summary>Shortcuts that write a name and its value.</summary>
internal static class GoJsonValues
{
    public static GoJson Field(this GoJson json, ReadOnlySpan<byte> name, ReadOnlySpan<char> value) => json.Name(name).String(value);

    public static GoJson Field(this GoJson json, ReadOnlySpan<byte> name, long value) => json.Name(name).Number(value);

    public static GoJson Field(this GoJson json, ReadOnlySpan<byte> name, bool value) => json.Name(name).Bool(value);

    public static GoJson Field(this GoJson json, ReadOnlySpan<byte> name, DateTimeOffset value) => json.Name(name).Time(value);

    public static GoJson Json(this GoJson json, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) => json.Name(name).Value(value);

    public static GoJson Strings(this GoJson json, ReadOnlySpan<byte> name, IReadOnlyList<string> values)
    {
        json.Name(name).BeginArray();
        foreach (var value in values)
            json.String(value);
        return json.EndArray();
    }
}
