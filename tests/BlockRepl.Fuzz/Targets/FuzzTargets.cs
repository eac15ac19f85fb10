using BlockRepl.Fuzz.Engine;

namespace BlockRepl.Fuzz.Targets;

/// <summary>All of them.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new NbdTarget(),
        new NbdSocketTarget(),
        new FrameTarget(),
        new PeerTarget(),
        new HpackTarget(),
        new Http2Target(isServer: true),
        new Http2Target(isServer: false),
        new MetadataTarget(),
        new SaveFileTarget(),
        new ConfigurationTarget(),
    ];

    public static FuzzTarget Find(string name) => All.Single(target => target.Name == name);
}
