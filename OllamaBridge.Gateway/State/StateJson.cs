using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.State;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LedgerRecord))]
[JsonSerializable(typeof(TenantRecord))]
internal sealed partial class StateJson : JsonSerializerContext;
