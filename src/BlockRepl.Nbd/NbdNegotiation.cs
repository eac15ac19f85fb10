using System.Buffers.Binary;

namespace BlockRepl.Nbd;

/// <summary>
/// The server's side of the fixed newstyle handshake (proto.md "Newstyle negotiation"), as a state machine over spans: bytes
/// go in through <see cref="Consume"/>, bytes to send pile up in <see cref="Output"/>. Not thread-safe; owned by the
/// connection's thread. Time is the connection's business (it hangs up when the whole handshake takes too long).
/// </summary>
/// <remarks>
/// <code>
///   ClientFlags ──► Option ◄──────────┐  reply, also for unknown and refused options
///                     │ ├─────────────┘
///                     │ ├── data too long ──► Draining ──► Option (TOO_BIG)
///                     │ ├── GO, EXPORT_NAME ──► Transmission
///                     └─┴── ABORT, bad magic, refused EXPORT_NAME, absurd length ──► Closed
/// </code>
/// </remarks>
public sealed class NbdNegotiation
{
    private readonly NbdOptionHandler _options;
    private readonly NbdOptionWriter _output = new();
    private bool _noZeroes;
    private int _optionCount;
    private uint _drainLeft;
    private uint _drainOption;

    /// <summary>Starts a handshake; the greeting is in the output at once.</summary>
    /// <param name="source">Where exports come from.</param>
    /// <param name="client">The connection, handed to the source.</param>
    public NbdNegotiation(INbdExportSource source, INbdClient client)
    {
        _options = new NbdOptionHandler(source, client, _output);
        _output.WriteGreeting();
    }

    /// <summary>Where the handshake stands.</summary>
    public NbdNegotiationState State { get; private set; } = NbdNegotiationState.ClientFlags;

    /// <summary>Set in <see cref="NbdNegotiationState.Transmission"/>. Whoever takes it closes the export.</summary>
    public NbdSession? Session => _options.Session;

    /// <summary>Why the state is <see cref="NbdNegotiationState.Closed"/>, for the log.</summary>
    public string CloseReason { get; private set; } = "";

    /// <summary>Bytes to send; valid until the next call.</summary>
    public ReadOnlySpan<byte> Output => _output.Written;

    /// <summary>Says that the output was sent.</summary>
    public void ClearOutput() => _output.Clear();

    /// <summary>
    /// Takes one step with the bytes received so far and returns how many it has used up; 0 means that more are needed (or
    /// that the handshake is over). The caller keeps room for <see cref="NbdLimits.OptionBytesMax"/> and a header.
    /// </summary>
    public int Consume(ReadOnlySpan<byte> input) => State switch
    {
        NbdNegotiationState.ClientFlags => ConsumeClientFlags(input),
        NbdNegotiationState.Option => ConsumeOption(input),
        NbdNegotiationState.Draining => Drain(input),
        _ => 0,
    };

    private int ConsumeClientFlags(ReadOnlySpan<byte> input)
    {
        if (input.Length < sizeof(uint))
            return 0;
        uint flags = BinaryPrimitives.ReadUInt32BigEndian(input);
        _noZeroes = (flags & NbdWire.FlagNoZeroes) != 0;
        // proto.md: a server MUST hang up on client flags that it did not offer.
        if ((flags & ~(uint)(NbdWire.FlagFixedNewstyle | NbdWire.FlagNoZeroes)) != 0)
            Close($"unknown client flags 0x{flags:x}");
        else
            State = NbdNegotiationState.Option;
        return sizeof(uint);
    }

    private int ConsumeOption(ReadOnlySpan<byte> input)
    {
        if (input.Length < NbdWire.OptionHeaderBytes)
            return 0;
        ulong magic = BinaryPrimitives.ReadUInt64BigEndian(input);
        uint option = BinaryPrimitives.ReadUInt32BigEndian(input[8..]);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(input[12..]);
        if (magic != NbdWire.OptionMagic)
            return Close("wrong magic of an option");
        if (_optionCount == NbdLimits.OptionsMax)
            return Close("too many options");
        if (length > NbdLimits.OptionBytesMax)
            return BeginDrain(option, length);
        int total = NbdWire.OptionHeaderBytes + (int)length;
        if (input.Length < total)
            return 0;
        _optionCount++;
        ReadOnlySpan<byte> data = input[NbdWire.OptionHeaderBytes..total];
        switch ((NbdOption)option)
        {
            case NbdOption.ExportName:
                if (_options.ExportName(data, _noZeroes, out string refusal))
                    State = NbdNegotiationState.Transmission;
                else
                    Close(refusal); // proto.md: EXPORT_NAME has no error reply
                break;
            case NbdOption.Abort:
                _output.WriteReply(option, NbdOptionReply.Ack);
                Close("the client aborted the handshake");
                break;
            default:
                if (_options.Handle(option, data))
                    State = NbdNegotiationState.Transmission;
                break;
        }

        return total;
    }

    private int BeginDrain(uint option, uint length)
    {
        if (length > NbdLimits.OptionDrainedBytesMax || option == (uint)NbdOption.ExportName)
            return Close($"{length} bytes of option data");
        _optionCount++;
        _drainLeft = length;
        _drainOption = option;
        State = NbdNegotiationState.Draining;
        return NbdWire.OptionHeaderBytes;
    }

    private int Drain(ReadOnlySpan<byte> input)
    {
        int now = (int)Math.Min((uint)input.Length, _drainLeft);
        _drainLeft -= (uint)now;
        if (_drainLeft == 0)
        {
            _output.WriteError(_drainOption, NbdOptionReply.ErrorTooBig,
                $"option data is limited to {NbdLimits.OptionBytesMax} bytes");
            State = NbdNegotiationState.Option;
        }

        return now;
    }

    private int Close(string reason)
    {
        State = NbdNegotiationState.Closed;
        CloseReason = reason;
        return 0;
    }
}
