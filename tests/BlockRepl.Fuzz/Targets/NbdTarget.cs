using BlockRepl.Fuzz.Engine;
using BlockRepl.Nbd;

namespace BlockRepl.Fuzz.Targets;

/// <summary>The NBD state machines alone: what they take of any split of the bytes is what they take of the whole, they end, and what passes the validator lies in the export.</summary>
/// <remarks>The input: octet 0 says into how long pieces the rest is split.</remarks>
internal sealed class NbdTarget : FuzzTarget, INbdClient
{
    // A handshake's answers stay in memory until they are sent.
    private const int OutputBytesMax = 1 << 20;

    public override string Name => "nbd";

    public override long AllocatedBytesMax => 16 << 20;

    public string Description => "fuzz";

    public override byte[] Make(Prng chance) => [(byte)chance.NextUInt64(), .. NbdForge.Session(chance, goes: chance.OneIn(2))];

    public void Abort(string reason)
    {
    }

    public override void Run(byte[] input)
    {
        if (input.Length == 0)
            return;
        byte[] bytes = input[1..];
        (NbdNegotiationState state, int used, byte[] said, NbdSession? session) = Negotiate(bytes, bytes.Length);
        (NbdNegotiationState stateInPieces, int usedInPieces, byte[] saidInPieces, _) = Negotiate(bytes, 1 + input[0]);
        Assert.Equal((state, used), (stateInPieces, usedInPieces));
        Assert.Equal(said, saidInPieces);
        if (session is null)
            return;
        for (ReadOnlySpan<byte> rest = bytes.AsSpan(used); rest.Length >= NbdWire.RequestBytes;)
        {
            if (!NbdRequestHeader.TryParse(rest, out NbdRequestHeader header))
                return;
            rest = rest[NbdWire.RequestBytes..];
            if (NbdRequestValidator.Validate(in header, session) == NbdError.Ok)
                Assert.True(header.Offset <= NbdForge.ExportBytes && header.Length <= NbdForge.ExportBytes - header.Offset, $"{header} passes");
            rest = rest[(int)Math.Min((uint)rest.Length, header.PayloadBytes)..];
        }
    }

    private (NbdNegotiationState State, int Used, byte[] Said, NbdSession? Session) Negotiate(byte[] bytes, int pieceBytes)
    {
        using var exports = new MemoryExports();
        var negotiation = new NbdNegotiation(exports, this);
        int used = 0;
        for (int come = Math.Min(pieceBytes, bytes.Length); ; come = Math.Min(come + pieceBytes, bytes.Length))
        {
            while (negotiation.State is not (NbdNegotiationState.Closed or NbdNegotiationState.Transmission))
            {
                int step = negotiation.Consume(bytes.AsSpan(used, come - used));
                Assert.InRange(step, 0, come - used);
                if (step == 0)
                    break;
                used += step;
            }

            if (come == bytes.Length || negotiation.State is NbdNegotiationState.Closed or NbdNegotiationState.Transmission)
                break;
        }

        Assert.InRange(negotiation.Output.Length, 0, OutputBytesMax + bytes.Length * 4);
        Assert.Equal(negotiation.State == NbdNegotiationState.Transmission, negotiation.Session is not null);
        Assert.Equal(negotiation.Session is null ? 0 : 1, exports.Open);
        Assert.Equal(negotiation.State == NbdNegotiationState.Closed, negotiation.CloseReason.Length > 0);
        return (negotiation.State, used, negotiation.Output.ToArray(), negotiation.Session);
    }
}
