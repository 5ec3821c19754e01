using System.Buffers;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Simulator.Control;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;
using OllamaBridge.Simulator.Telemetry;
using OllamaBridge.Simulator.Vllm;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Processes each request of Kestrel: access checks, route, fault, handler, error.</summary>
internal sealed class OllamaApplication(SimulatedServer server) : IHttpApplication<HttpContext>, IDisposable
{
    private readonly bool _loopback = IPAddress.IsLoopback(server.Options.Address);
    private ModelMemory _memory = new(server.Options, server.Statistics);

    public int WaitingForLoad => Volatile.Read(ref _memory).WaitingCount;

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        if (server.Options.Kind != SimulatorKind.OpenAI && Misdirection.BeforeRoutes(context) is { } answered)
        {
            await answered;
            return;
        }
        var path = context.Request.Path.Value ?? "/";
        if (SideChannel.IsFor(path))
        {
            await SideChannel.HandleAsync(context, server, path);
            return;
        }
        if (server.Faults.Refuses)
        {
            Connections.Reset(context);
            return;
        }
        var tail = "";
        var onlyOpenAi = server.Options.Kind == SimulatorKind.OpenAI;
        if (onlyOpenAi && !VllmRoutes.MayEnter(context, server.Options, path))
        {
            await VllmRoutes.RefuseAsync(context);
            return;
        }
        if (!onlyOpenAi && Doorkeeper.Turn(context, _loopback))
            return;
        var route = onlyOpenAi ? VllmRoutes.Find(path) : RouteTable.Find(path, out tail);
        if (route?.For(context.Request.Method) is not { } handler)
        {
            await (onlyOpenAi ? VllmRoutes.MisdirectAsync(context, route) : Misdirection.AnswerAsync(context, path, route));
            return;
        }
        var call = new Call(context, server, Volatile.Read(ref _memory), path) { Tail = tail };
        if (route.Inference)
            call.Enter();
        // Health checks and lists are frequent and need no span.
        var span = route.Inference ? SimulatorTelemetry.StartRequest(context, server) : null;
        try
        {
            await RunAsync(call, route, handler);
        }
        finally
        {
            SimulatorTelemetry.EndRequest(span, context);
            call.Leave();
        }
    }

    /// <summary>Clears the memory, as the end of the process does.</summary>
    public void LoseMemory() => Interlocked.Exchange(ref _memory, new ModelMemory(server.Options, server.Statistics)).Dispose();

    public void Dispose() => _memory.Dispose();

    private async Task RunAsync(Call call, Route route, Func<Call, Task> handler)
    {
        try
        {
            if (!route.Upload)
                call.Body = await ReadAsync(call);
            if (server.Statistics.Remembers)
                server.Statistics.Remember(Witness.Of(call));
            if (!await FaultGate.PassAsync(call, route))
                await handler(call);
        }
        catch (ApiError error) when (!call.Http.Response.HasStarted)
        {
            await (server.Options.Kind == SimulatorKind.OpenAI ? VllmRoutes.FailAsync(call, error) : Protocol.FailAsync(call, Named(error, call.Path)));
        }
        catch (ApiError)
        {
            call.Http.Abort();
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionResetException or IOException)
        {
            if (route.Inference && server.IsAlive)
                server.Statistics.RequestCancelled();
            call.Http.Abort();
        }
    }

    private static ApiError Named(ApiError error, string path) => new(error.Status, GoTypes.Fill(error.Message, path))
    {
        EarlyOnV1 = error.EarlyOnV1,
        WhereStreamBegins = error.WhereStreamBegins,
    };

    private static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(Call call)
    {
        if (!HttpMethods.IsPost(call.Http.Request.Method) && !HttpMethods.IsDelete(call.Http.Request.Method))
            return default;
        var reader = call.Http.Request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(call.Aborted);
            if (result.IsCompleted || result.IsCanceled)
            {
                var body = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }
            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }
}
