using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Queueing;

/// <summary>The requests of other clients succeed within 1.2 times their usual time while one client is hostile.</summary>
/// <remarks>
/// Time is modelled (<see cref="ServiceTime"/>): it passes only while every innocent request is being served, so that a busy machine makes the test
/// slower but doesn't change its result. Waits in the bridge count as time.
/// </remarks>
public sealed class HostileClientTests
{
    private const int RequestsOfEach = 12;
    private const double Bound = 1.2;
    private static readonly TimeSpan Service = TimeSpan.FromMilliseconds(200);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static Gen<(int Clients, int Instances, string[] Kinds)> Scenes =>
        from clients in Gen.Choose(2, 6)
        from instances in Gen.Choose(2, 4)
        from kinds in Gen.ArrayOf(Gen.Elements(HostileWorld.Kinds.ToArray()), 24)
        select (clients, instances, kinds);

    [Fact]
    public void Send_AnyMixOfHostileRequests_OthersServedInTime() => Prop.ForAll(
        Scenes.ToArbitrary(),
        scene => Task.Run(async () =>
        {
            var without = await RunAsync(scene.Clients, scene.Instances, []);
            var with = await RunAsync(scene.Clients, scene.Instances, scene.Kinds);
            Assert.True(with <= without * Bound, $"{with.TotalSeconds} s instead of {without.TotalSeconds} s");
        }).GetAwaiter().GetResult()).Check(Config.QuickThrowOnFailure.WithMaxTest(6));

    [Fact]
    public async Task Run_NoHostileClient_ServiceTimeOnly() =>
        Assert.InRange(await RunAsync(4, 3, []), RequestsOfEach * Service, RequestsOfEach * Service * 1.05);

    /// <returns>The modelled time until the last innocent request was served.</returns>
    private static async Task<TimeSpan> RunAsync(int clients, int instances, string[] kinds)
    {
        using var time = new ServiceTime(Service);
        await using var world = new HostileWorld(instances, time.ServeAsync);
        await using var bridge = await ScriptedServer.BridgeAsync(world.Servers, time.Clock);
        var hostile = Task.Run(
            async () =>
            {
                foreach (var (i, kind) in kinds.Index())
                    await world.HarmAsync(bridge, kind, kind == "fails now here and now there" ? "" : $"{i}");
            },
            Token);
        var began = time.Clock.GetTimestamp();
        var innocent = Task.WhenAll(Enumerable.Range(0, clients).Select(client => time.CallAsync(async () =>
        {
            for (var i = 0; i < RequestsOfEach; i++)
            {
                using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false, messages = new[] { new { role = "user", content = $"innocent {client} {i}" } } }, Token);
                Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(Token)}");
            }
        })));
        await time.RunUntilAsync(innocent, Token);
        var took = time.Clock.GetElapsedTime(began);
        await time.RunUntilAsync(hostile, Token);
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.Equal(InstanceStatus.Healthy, i.Status));
        return took;
    }
}
