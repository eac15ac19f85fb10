using System.Diagnostics.CodeAnalysis;

namespace BlockRepl.Nbd;

/// <summary>What each option of the handshake does; <see cref="NbdNegotiation"/> does the framing.</summary>
internal sealed class NbdOptionHandler(INbdExportSource source, INbdClient client, NbdOptionWriter output)
{
    private bool _structuredReplies;

    // The export that SET_META_CONTEXT selected base:allocation for. proto.md: void for an export of another name.
    private string? _metaContextExport;

    public NbdSession? Session { get; private set; }

    /// <summary>EXPORT_NAME: true when transmission begins.</summary>
    public bool ExportName(ReadOnlySpan<byte> data, bool noZeroes, out string refusal)
    {
        if (!NbdOptionReader.TryDecodeString(data, out string? name))
        {
            refusal = "the export name is not valid UTF-8 of at most 4096 bytes";
            return false;
        }

        if (!TryOpen(name, out INbdExport? export, out refusal))
            return false;
        Begin(name, export);
        output.WriteExportNameReply(Session.Info.SizeBytes, Session.Flags, noZeroes);
        return true;
    }

    /// <summary>Any option but EXPORT_NAME and ABORT: true when transmission begins.</summary>
    public bool Handle(uint option, ReadOnlySpan<byte> data)
    {
        switch ((NbdOption)option)
        {
            case NbdOption.Go:
            case NbdOption.Info:
                return InfoOrGo(option, data);
            case NbdOption.List:
                List(option, data);
                break;
            case NbdOption.StructuredReply:
                if (RefuseData(option, data))
                    break;
                _structuredReplies = true;
                output.WriteReply(option, NbdOptionReply.Ack);
                break;
            case NbdOption.ListMetaContext:
            case NbdOption.SetMetaContext:
                MetaContext(option, data);
                break;
            case NbdOption.StartTls:
                output.WriteError(option, NbdOptionReply.ErrorUnsupported, "this server does not support TLS");
                break;
            default:
                output.WriteError(option, NbdOptionReply.ErrorUnsupported, $"option {option} is not supported");
                break;
        }

        return false;
    }

    private void List(uint option, ReadOnlySpan<byte> data)
    {
        if (RefuseData(option, data))
            return;
        foreach (string name in source.ListExports())
            output.WriteServer(option, name);
        output.WriteReply(option, NbdOptionReply.Ack);
    }

    private bool InfoOrGo(uint option, ReadOnlySpan<byte> data)
    {
        var reader = new NbdOptionReader(data);
        bool wantsName = false;
        bool wantsDescription = false;
        bool isValid = reader.TryReadString(out string? name) & reader.TryReadUInt16(out ushort count);
        for (int i = 0; isValid && i < count; i++)
        {
            isValid = reader.TryReadUInt16(out ushort type);
            wantsName |= type == (ushort)NbdInfoType.Name;
            wantsDescription |= type == (ushort)NbdInfoType.Description;
        }

        if (!isValid || !reader.IsAtEnd)
        {
            output.WriteError(option, NbdOptionReply.ErrorInvalid, "the option's data is malformed");
            return false;
        }

        if (!TryOpen(name!, out INbdExport? export, out string refusal))
        {
            output.WriteError(option, NbdOptionReply.ErrorUnknown, refusal);
            return false;
        }

        NbdExportInfo info = export.Info;
        output.WriteInfoExport(option, info.SizeBytes, FlagsOf(info));
        if (wantsName)
            output.WriteInfoText(option, NbdInfoType.Name, info.Name);
        if (wantsDescription && info.Description.Length > 0)
            output.WriteInfoText(option, NbdInfoType.Description, info.Description);
        // proto.md lets a server send facts that were not asked for; block sizes matter to everybody.
        output.WriteInfoBlockSize(option, info);
        output.WriteReply(option, NbdOptionReply.Ack);
        if ((NbdOption)option == NbdOption.Info)
        {
            source.Closed(export, client);
            return false;
        }

        Begin(name!, export);
        return true;
    }

    private void MetaContext(uint option, ReadOnlySpan<byte> data)
    {
        bool isSet = (NbdOption)option == NbdOption.SetMetaContext;
        if (isSet)
            _metaContextExport = null; // proto.md: each SET replaces the selection, a failed one too
        if (!_structuredReplies)
        {
            output.WriteError(option, NbdOptionReply.ErrorInvalid, "negotiate structured replies first");
            return;
        }

        var reader = new NbdOptionReader(data);
        bool isValid = reader.TryReadString(out string? name) & reader.TryReadUInt32(out uint count);
        bool isMatch = !isSet && isValid && count == 0; // LIST without a query asks for all
        for (uint i = 0; isValid && i < count; i++)
        {
            isValid = reader.TryReadString(out string? query);
            isMatch |= query == NbdWire.BaseAllocation || (!isSet && query == "base:");
        }

        if (!isValid || !reader.IsAtEnd)
        {
            output.WriteError(option, NbdOptionReply.ErrorInvalid, "the option's data is malformed");
            return;
        }

        if (!TryOpen(name!, out INbdExport? export, out string refusal))
        {
            output.WriteError(option, NbdOptionReply.ErrorUnknown, refusal);
            return;
        }

        source.Closed(export, client);
        if (isMatch)
            output.WriteMetaContext(option, isSet ? NbdWire.BaseAllocationId : 0, NbdWire.BaseAllocation);
        if (isMatch && isSet)
            _metaContextExport = name;
        output.WriteReply(option, NbdOptionReply.Ack);
    }

    private bool RefuseData(uint option, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return false;
        output.WriteError(option, NbdOptionReply.ErrorInvalid, "this option has no data");
        return true;
    }

    private bool TryOpen(string name, [NotNullWhen(true)] out INbdExport? export, out string refusal)
    {
        export = null;
        if (name.Length == 0)
        {
            IReadOnlyList<string> names = source.ListExports();
            if (names.Count != 1)
            {
                refusal = names.Count == 0
                    ? "there is no export on this node at present"
                    : "there are several exports; name one (LIST shows them)";
                return false;
            }

            name = names[0];
        }

        return source.TryOpen(name, client, out export, out refusal);
    }

    // proto.md: DF MUST NOT be announced without structured replies.
    private NbdTransmissionFlags FlagsOf(NbdExportInfo info) => NbdTransmissionFlags.HasFlags
        | (_structuredReplies ? info.Flags : info.Flags & ~NbdTransmissionFlags.SendDontFragment);

    [MemberNotNull(nameof(Session))]
    private void Begin(string name, INbdExport export) => Session = new NbdSession(
        export, FlagsOf(export.Info), _structuredReplies, _structuredReplies && _metaContextExport == name);
}
