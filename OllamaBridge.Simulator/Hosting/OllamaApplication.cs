using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>What Kestrel calls for each request.</summary>
internal sealed class OllamaApplication(SimulatedServer server) : IHttpApplication<HttpContext>
{
    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public Task ProcessRequestAsync(HttpContext context)
    {
        context.Response.StatusCode = server.Faults.Any ? StatusCodes.Status500InternalServerError : StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public void LoseMemory()
    {
    }
}
