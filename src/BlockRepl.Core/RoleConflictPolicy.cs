namespace BlockRepl.Core;

/// <summary>
/// What happens when a Primary would have to be overwritten although there is no split brain (DRBD: <c>rr-conflict</c>). Its data never is: DRBD's <c>violently</c> does not
/// exist here. <c>auto-discard</c> is <see cref="Disconnect"/>, because the case that it is made for is decided its way by rule 41 (docs/decisions/0010).
/// </summary>
public enum RoleConflictPolicy : byte
{
    /// <summary>StandAlone until a person connects again.</summary>
    Disconnect,

    /// <summary>The nodes try again until the roles allow it.</summary>
    RetryConnect,

    /// <summary>As <see cref="Disconnect"/>, and the Primary's handler <c>pri-lost</c> is called.</summary>
    CallPrimaryLost,
}
