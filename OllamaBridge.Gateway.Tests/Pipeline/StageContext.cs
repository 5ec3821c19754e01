using System.Text;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Pipeline;

/// <summary>Requests as a stage receives them.</summary>
internal static class StageContext
{
    /// <summary>Creates a request whose operation is known; and its tenant, unless it is null.</summary>
    public static DefaultHttpContext Create(string path = "/api/chat", Tenant? tenant = null, string method = "POST")
    {
        var context = Bare(path, method);
        context.Features.Set(new OperationFeature(OperationTable.Find(path, out var rest)!, rest));
        if (tenant is not null)
            context.Features.Set(new TenantFeature(tenant));
        return context;
    }

    /// <summary>Creates a request that no stage has handled.</summary>
    public static DefaultHttpContext Bare(string path, string method = "POST")
    {
        var context = new DefaultHttpContext();
        (context.Request.Method, context.Request.Path) = (method, path);
        context.Response.Body = new MemoryStream();
        return context;
    }

    /// <summary>Runs a stage.</summary>
    /// <returns>Whether it called the rest of the pipeline.</returns>
    public static async Task<bool> PassesAsync(IRequestStage stage, HttpContext context)
    {
        var passed = 0;
        await stage.InvokeAsync(context, _ =>
        {
            passed++;
            return Task.CompletedTask;
        });
        Assert.InRange(passed, 0, 1);
        return passed == 1;
    }

    public static string Sent(HttpContext context) => Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray());
}
