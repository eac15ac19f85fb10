namespace BlockRepl.Core;

/// <summary>Who calls whom when a peer serves a volume, or a disk comes back; apart from <see cref="ResourceCore"/>, which makes the parts.</summary>
internal static class ServiceWiring
{
    public static void Connect(
        RemoteService remote, ReturningDisk returning, WritePath writes, SecondaryPath secondary, Attachment attachment, ResyncRequests requests, ResyncTarget target)
    {
        remote.OnStranded = writes.FinishIfDone;
        remote.OnRefused = writes.StopReplicating;
        remote.OnSuspended = () => writes.Freeze(FreezeReason.NoData);
        remote.HoldsReads = () => writes.HoldsReads;
        writes.OnPeerChangeAdmitted = secondary.Readmit;
        returning.OnAsk = requests.AskForReturn;
        requests.OnReturnRefused = returning.GiveUp;
        attachment.OnReturned = returning.Attached;
        target.Returning = returning;
    }
}
