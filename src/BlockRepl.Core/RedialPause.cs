using BlockRepl.Protocol;

namespace BlockRepl.Core;

/// <summary>
/// How long the dialling side waits before it tries again a peer that refuses: what the two disagree about (versions, sizes, protocols) changes when somebody changes it, not by
/// asking. Grows with each refusal in a row, up to <c>connect-int</c>; a connection that came about, and an operator's <c>connect</c>, start anew.
/// </summary>
internal static class RedialPause
{
    private const long FirstMs = 500;

    /// <summary>Whether a farewell says that the same handshake would end in the same way.</summary>
    public static bool IsLasting(GoodbyeReason reason) => reason is GoodbyeReason.Refused or GoodbyeReason.Protocol or GoodbyeReason.RoleConflict;

    /// <summary>Milliseconds before the next attempt; zero if there is no reason to wait.</summary>
    public static long After(int refusedInRow, ResourceSettings settings)
    {
        const int DoublingsMax = 20;
        return refusedInRow == 0 ? 0 : Math.Min(settings.ConnectIntervalMs, FirstMs << Math.Min(refusedInRow - 1, DoublingsMax));
    }
}
