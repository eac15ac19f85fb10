namespace BlockRepl.Core;

/// <summary>What a role change waits for.</summary>
internal static class RoleConditions
{
    /// <summary>Everything that came over a connection that is gone is on the disk, in order, before anything newer (hard part 11).</summary>
    public static bool IsSettled(ResourceContext context)
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.Active.HasWrites || volume.MetadataWrites > 0)
                return false;
        }

        return true;
    }

    /// <summary>Every change that a client asked for is answered; a resync may go on meanwhile. Both nodes of a handshake must decide with the same roles.</summary>
    public static bool IsQuiet(ResourceContext context)
    {
        foreach (Peer peer in context.Peers)
        {
            if (peer.Step is HandshakeStep.State or HandshakeStep.Verdict)
                return false;
        }

        foreach (Volume volume in context.Volumes)
        {
            if (volume.IsAccessible && (volume.HasClientChanges || volume.MetadataWrites > 0 || volume.OwnBarrierInFlight))
                return false;
        }

        return true;
    }

    /// <summary>The barriers of a demotion are answered, and nothing is being written.</summary>
    public static bool IsStableOnPeers(ResourceContext context)
    {
        foreach (Volume volume in context.Volumes)
        {
            if (volume.OwnBarrierInFlight || volume.MetadataWrites > 0)
                return false;
        }

        return true;
    }
}
