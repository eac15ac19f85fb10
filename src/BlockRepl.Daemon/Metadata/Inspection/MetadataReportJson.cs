using System.Text.Json.Serialization;

namespace BlockRepl.Daemon.Metadata.Inspection;

/// <summary>The JSON of <c>dump-md --json</c>: snake_case, no key left out.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, PreferredObjectCreationHandling = JsonObjectCreationHandling.Replace)]
[JsonSerializable(typeof(MetadataReport))]
internal sealed partial class MetadataReportJson : JsonSerializerContext;
