namespace OllamaBridge.Gateway.Tests;
public class SmokeTests { [Fact] public void House_Builds_Runs() => Assert.True(typeof(SmokeTests).IsPublic); }
