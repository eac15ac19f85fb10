namespace BlockRepl.Nbd;

/// <summary>Where a handshake stands; the drawing is at <see cref="NbdNegotiation"/>.</summary>
public enum NbdNegotiationState : byte
{
    /// <summary>The greeting is in the output; four bytes of client flags come next.</summary>
    ClientFlags,

    /// <summary>An option header, or the rest of an option, comes next.</summary>
    Option,

    /// <summary>The data of an option that is too long is being thrown away.</summary>
    Draining,

    /// <summary>Done; <see cref="NbdNegotiation.Session"/> is set and requests come next.</summary>
    Transmission,

    /// <summary>Over: send the output, then hang up.</summary>
    Closed,
}
