using BlockRepl.Nbd;

namespace BlockRepl.Daemon.Nbd;

/// <summary>Carries a negotiation over a socket, with one deadline for all of it: slow drips do not prolong it.</summary>
internal static unsafe class NbdHandshake
{
    /// <summary>
    /// True when requests come next. Else the client is to be hung up for <paramref name="reason"/>; a session may have been opened
    /// all the same (its reply could not be sent), and the caller closes it either way.
    /// </summary>
    public static bool Run(int fd, NbdReceiver receiver, NbdNegotiation negotiation, TimeSpan timeout, out string reason)
    {
        long deadline = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (true)
        {
            if (!SendAll(fd, negotiation.Output, deadline))
            {
                reason = "the client went away or did not read during the handshake";
                return false;
            }

            negotiation.ClearOutput();
            reason = negotiation.CloseReason;
            if (negotiation.State == NbdNegotiationState.Transmission)
                return true;
            if (negotiation.State == NbdNegotiationState.Closed)
                return false;
            int used = negotiation.Consume(receiver.Unread);
            receiver.Consume(used);
            if (used > 0 || negotiation.State == NbdNegotiationState.Closed)
                continue;
            if (!WaitFor(fd, NbdNative.PollIn, deadline))
            {
                reason = "the handshake took too long";
                return false;
            }

            if (receiver.Fill(NbdNative.MsgDontWait) == NbdReceived.End)
            {
                reason = "the client closed the connection during the handshake";
                return false;
            }
        }
    }

    private static bool SendAll(int fd, ReadOnlySpan<byte> bytes, long deadline)
    {
        fixed (byte* start = bytes)
        {
            int done = 0;
            while (done < bytes.Length)
            {
                nint sent = NbdNative.Send(fd, start + done, bytes.Length - done, NbdNative.MsgDontWait | NbdNative.MsgNoSignal);
                if (sent > 0)
                {
                    done += (int)sent;
                    continue;
                }

                int errno = NbdNative.Errno;
                if (errno == NbdNative.Eintr)
                    continue;
                if (errno != NbdNative.Eagain || !WaitFor(fd, NbdNative.PollOut, deadline))
                    return false;
            }
        }

        return true;
    }

    private static bool WaitFor(int fd, short events, long deadline)
    {
        while (true)
        {
            long left = deadline - Environment.TickCount64;
            if (left <= 0)
                return false;
            var entry = new NbdNative.PollEntry { Fd = fd, Events = events };
            int ready = NbdNative.Poll(&entry, 1, (int)Math.Min(left, int.MaxValue));
            if (ready > 0)
                return true;
        }
    }
}
