using BlockRepl.Format;
using BlockRepl.Primitives;
using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// What this node is about to lose by the resolution of a split brain is copied into a save file first, durably: before this node's marks are sent (a resync by marks) or
/// before it begins (a full one), so before one block is overwritten. If that cannot be done there is no resync (docs/save-file-format.md, docs/decisions/0011).
/// </summary>
/// <remarks>
/// <code>
/// verdict: target, resolves a split brain ─► SaveBlocks ─► saved ─► SendBitmap, or the SyncBegin that came meanwhile
///                                                        └► failed ─► Goodbye: both StandAlone, nothing was changed
/// </code>
/// The data cannot change meanwhile: this node is Secondary, is refused a promotion, and is mirrored to only after its SyncBegun. Marks that are newer than the verdict there are none.
/// </remarks>
internal sealed class SplitBrainSave(ResourceContext context, ResyncTarget target)
{
    /// <summary>Set by <see cref="Handshake"/>: the connection ends with this refusal.</summary>
    public Action<Peer, GoodbyeReason, string> OnRefused { get; set; } = (_, _, _) => { };

    /// <summary>Asks for the save if one is due. False if none is: the resync goes on at once.</summary>
    public bool Begin(PeerVolume peerVolume)
    {
        Volume volume = peerVolume.Volume;
        Superblock superblock = volume.Superblock!;

        // Saved already, for a connection that was lost since; nothing can have been written meanwhile without a promotion, which forgets this.
        bool isDue = context.Settings.SavesSplitBrain && peerVolume.Verdict is { ResolvesSplitBrain: true, IsTarget: true } && peerVolume.SavedGeneration != superblock.Current;
        if (!isDue)
            return false;
        DirtyBitmap? blocks = null;
        if (!peerVolume.Verdict.IsFull)
        {
            blocks = new DirtyBitmap(peerVolume.Bitmap!.BlockCount);
            blocks.Or(peerVolume.Bitmap);
        }

        PeerSlot slot = superblock.Peers[peerVolume.Slot];
        peerVolume.Saving = new SaveRequest(volume.Nr, peerVolume.Peer.Id, blocks)
        {
            VolumeBytes = volume.SizeBytes,
            Generation = superblock.Current,
            BaseGeneration = slot.BitmapGeneration,
            SinceMs = slot.BitmapSinceMs,
            AskedMs = context.NowMs,
        };
        ref Effect effect = ref context.Effects.Add(EffectKind.SaveBlocks);
        effect.Volume = volume.Nr;
        effect.Subject = peerVolume.Saving;
        context.StateChanged = true;
        return true;
    }

    /// <summary>A save is over.</summary>
    public void Completed(SaveOutcome outcome)
    {
        PeerVolume peerVolume = context.Volumes[outcome.Request.Volume.Value].Peers[outcome.Request.Peer.Value];
        string name = $"{context.Settings.Name}/{peerVolume.Volume.Name}";
        if (outcome.Error.Length == 0)
            context.Log($"{name}: what {context.Settings.NodeName} loses to {peerVolume.Peer.Name} is saved in {outcome.File}");

        // A new object for each connection: the answer to an old one's question counts no more (hard part 11).
        if (!ReferenceEquals(peerVolume.Saving, outcome.Request))
            return;
        peerVolume.Saving = null;
        context.StateChanged = true;
        if (outcome.Error.Length > 0)
        {
            peerVolume.Peer.DiscardMyData = false;
            OnRefused(peerVolume.Peer, GoodbyeReason.SplitBrain,
                $"split brain on {peerVolume.Volume.Name}: the changes of {context.Settings.NodeName} could not be saved before they are overwritten, so they are not: {outcome.Error}; "
                + "make room, or say split-brain-save: off");
            return;
        }

        peerVolume.SavedGeneration = outcome.Request.Generation;
        target.Saved(peerVolume);
    }
}
