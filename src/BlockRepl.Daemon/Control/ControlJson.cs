using System.Text.Json.Serialization;
using BlockRepl.Daemon.Devices;

namespace BlockRepl.Daemon.Control;

/// <summary>The JSON of the control socket and of <c>--json</c>: snake_case, enums by name, no key left out. Source
/// generated, because a command must start fast.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(IReadOnlyList<ResourceStatus>))]
[JsonSerializable(typeof(IReadOnlyList<DeviceStatus>))]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlResponse))]
public sealed partial class ControlJson : JsonSerializerContext;
