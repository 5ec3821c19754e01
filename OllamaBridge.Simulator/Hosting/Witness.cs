namespace OllamaBridge.Simulator.Hosting;

/// <summary>Records requests for <see cref="SimulatorStatistics.Seen"/>.</summary>
internal static class Witness
{
    public static SeenRequest Of(Call call)
    {
        var request = call.Http.Request;
        var headers = new Dictionary<string, string>(request.Headers.Count, StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in request.Headers)
            headers[name] = value.ToString();
        return new SeenRequest(request.Method, call.Path + request.QueryString, headers, call.Body);
    }
}
