using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>The OpenAPI document of the bridge's own API is complete and correct.</summary>
public sealed class ApiDescriptionTests
{
    // Routes without a description: the document itself.
    private static readonly string[] NotDescribed = ["/bridge/openapi.json"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Document_Paths_AllRoutesOfTheApi()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        var document = await bridge.GetJsonAsync("/bridge/openapi.json");

        Assert.StartsWith("3.1", document["openapi"]!.GetValue<string>(), StringComparison.Ordinal);
        var described = document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject().Select(m => $"{m.Key.ToUpperInvariant()} {path.Key}"));
        var mapped = bridge.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText!.StartsWith("/bridge/", StringComparison.Ordinal)
                && !NotDescribed.Contains(e.RoutePattern.RawText) && e.Metadata.GetMetadata<Microsoft.AspNetCore.Routing.IExcludeFromDescriptionMetadata>() is not { ExcludeFromDescription: true })
            .SelectMany(e => e.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods.Select(m => $"{m} {e.RoutePattern.RawText!.TrimEnd('/')}"));
        Assert.Equal(mapped.Order(), described.Order());
    }

    [Fact]
    public async Task Document_Operations_NamedWithSchemasAndProblems()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        var document = await bridge.GetJsonAsync("/bridge/openapi.json");

        var operations = document["paths"]!.AsObject().SelectMany(p => p.Value!.AsObject().Select(o => o.Value!)).ToList();
        Assert.Equal(operations.Count, operations.Select(o => o["operationId"]!.GetValue<string>()).Distinct().Count());
        Assert.All(operations, operation =>
        {
            Assert.NotEmpty(operation["summary"]!.GetValue<string>());
            var answers = operation["responses"]!.AsObject();
            foreach (var status in new[] { "401", "403", "503" })
                Assert.NotNull(answers[status]!["content"]!["application/problem+json"]!["schema"]);
            Assert.Contains(answers, a => a.Key is "204" || (a.Key is "200" or "201" && a.Value!["content"]!["application/json"]!["schema"] is not null));
        });
        Assert.NotNull(document["components"]!["schemas"]!["InstanceReport"]!["properties"]!["slotsUsed"]);
        Assert.NotNull(document["paths"]!["/bridge/instances"]!["post"]!["requestBody"]!["content"]!["application/json"]!["schema"]!["properties"]!["url"]);
        Assert.Equal("bearer", document["components"]!["securitySchemes"]!["operator"]!["scheme"]!.GetValue<string>());
        Assert.Contains("operator", document["security"]![0]!.AsObject().Select(s => s.Key));
    }

    [Fact]
    public async Task Document_InstanceReport_HasTheFieldsOfTheResponse()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        var schema = (await bridge.GetJsonAsync("/bridge/openapi.json"))["components"]!["schemas"]!["InstanceReport"]!["properties"]!.AsObject().Select(p => p.Key);
        var answered = ((JsonObject)(await bridge.GetJsonAsync("/bridge/instances"))[0]!).Select(p => p.Key);

        Assert.Empty(answered.Except(schema));
    }

    [Fact]
    public async Task Document_RemoteClient_ServedAlthoughTheApiIsNot()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Client.DefaultRequestHeaders.Add("Test-Remote-Address", "203.0.113.7");

        using var document = await bridge.Client.GetAsync("/bridge/openapi.json", Token);
        using var instances = await bridge.Client.GetAsync("/bridge/instances", Token);

        Assert.Equal(HttpStatusCode.OK, document.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, instances.StatusCode);
    }
}
