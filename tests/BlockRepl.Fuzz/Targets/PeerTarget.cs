using System.Buffers.Binary;
using BlockRepl.Core;
using BlockRepl.Fuzz.Engine;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Fuzz.Targets;

/// <summary>
/// A peer that speaks the protocol and says wrong things: frames with right checksums and wrong contents, to a node in any state, between those of an honest peer. Its data may be
/// lost by that, a node must not be.
/// </summary>
/// <remarks>The input: one step after the other, each an octet that says what, two that say how long its bytes are, and these.</remarks>
internal sealed class PeerTarget : FuzzTarget
{
    private const int Steps = 24;

    public override string Name => "peer";

    public override long AllocatedBytesMax => 256 << 20;

    public override byte[] Make(Prng chance)
    {
        List<byte> steps = [];
        for (int i = 0; i < Steps; i++)
        {
            var kind = (byte)chance.Below(12);
            byte[] bytes = kind < 5 ? ProtoForge.Frame(chance) : chance.Bytes(8);
            steps.Add(kind);
            byte[] length = new byte[2];
            BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)Math.Min(bytes.Length, ushort.MaxValue));
            steps.AddRange(length);
            steps.AddRange(bytes.AsSpan(0, Math.Min(bytes.Length, ushort.MaxValue)).ToArray());
        }

        return [.. steps];
    }

    public override void Run(byte[] input)
    {
        bool isFresh = input.Length % 4 == 0;
        ClusterHarness cluster = isFresh ? new ClusterHarness() : ClusterHarness.InSync();
        if (isFresh)
            cluster.StartBoth();
        ReadOnlySpan<byte> rest = input;
        while (rest.Length > 3)
        {
            byte kind = rest[0];
            int length = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(rest[1..]), rest.Length - 3);
            ReadOnlySpan<byte> bytes = rest.Slice(3, length);
            rest = rest[(3 + length)..];
            Step(cluster, kind, bytes);
        }

        Settle(cluster, 2_000);
    }

    private static void Step(ClusterHarness cluster, byte kind, ReadOnlySpan<byte> bytes)
    {
        var chance = new Prng(bytes.Length >= 8 ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0);
        SimulatedNode node = chance.OneIn(2) ? cluster.Alpha : cluster.Beta;
        switch (kind)
        {
            case < 5:
                // Half of the frames stand where an honest one would be, half beside it.
                Say(cluster, kind % 2 == 0 ? cluster.Alpha : cluster.Beta, bytes.ToArray());
                break;
            case < 8:
                if (cluster.Link is { } link && link.To[node.Index].TryDequeue(out byte[]? honest))
                    Say(cluster, node, ProtoForge.Change(chance, honest));
                break;
            case 8:
                if (cluster.Alpha.IsAlive && cluster.Alpha.Status.Role == Role.Primary)
                    cluster.Write(cluster.Alpha, chance.Below(4000) * 4096L, 4096 * (1 + chance.Below(3)));
                break;
            case 9:
                Settle(cluster, chance.Below(40));
                break;
            case 10:
                cluster.Tick(chance.Below(3000));
                break;
            default:
                if (chance.OneIn(2))
                    cluster.Cut();
                Command(cluster, node, chance.Pick(Verbs));
                break;
        }
    }

    // A resize is always for a volume; the edge sees to that.
    private static void Command(ClusterHarness cluster, SimulatedNode node, OperatorVerb verb)
    {
        if (node.IsAlive)
            cluster.Command(node, new OperatorCommand(verb) { Volume = verb == OperatorVerb.Resize ? ClusterHarness.Volume0 : null });
    }

    private static readonly OperatorVerb[] Verbs =
    [
        OperatorVerb.Connect, OperatorVerb.Disconnect, OperatorVerb.Primary, OperatorVerb.Secondary, OperatorVerb.Invalidate, OperatorVerb.InvalidateRemote, OperatorVerb.Outdate,
        OperatorVerb.Verify, OperatorVerb.PauseSync, OperatorVerb.ResumeSync, OperatorVerb.SuspendIo, OperatorVerb.ResumeIo, OperatorVerb.SkipInitialSync, OperatorVerb.Resize,
    ];

    // As PeerStream does: what cannot be decoded ends the connection.
    private static void Say(ClusterHarness cluster, SimulatedNode to, byte[] frame)
    {
        if (cluster.Link is not { } link || !to.IsAlive || link.IsCut || link.IsClosed[to.Index])
            return;
        if (!Protocol.Tests.Samples.TryReceive(frame, out _))
            cluster.Cut();
        else if (PeerMessageCodec.PeekKind(frame) != FrameKind.Ignorable)
            cluster.Hand(to, frame);
    }

    private static void Settle(ClusterHarness cluster, int stepsMax)
    {
        for (int steps = 0; steps < stepsMax && cluster.StepOnce(); steps++)
        {
        }
    }
}
