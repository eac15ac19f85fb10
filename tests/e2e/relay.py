"""A TCP relay that can stall: it goes on accepting and holding connections, but lets no byte through. Or it is slow.

usage: relay.py LISTEN_PORT TARGET_PORT [BYTES_PER_SECOND]
SIGUSR1 stalls it, SIGUSR2 lets it go on; SIGHUP makes it as slow as the rate says, and again as fast as it can. Prints "ready" once it listens. Both
directions, any number of connections.
"""
import selectors
import signal
import socket
import sys
import time

stalled = False
slow = False


def stall(*_):
    global stalled
    stalled = True


def go_on(*_):
    global stalled
    stalled = False


def change_pace(*_):
    global slow
    slow = not slow


def main(listen, target, rate):
    wake, waker = socket.socketpair()
    wake.setblocking(False)
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGUSR1, stall)
    signal.signal(signal.SIGUSR2, go_on)
    signal.signal(signal.SIGHUP, change_pace)
    server = socket.create_server(("127.0.0.1", listen))
    pairs, ends = {}, selectors.DefaultSelector()
    ends.register(server, selectors.EVENT_READ)
    ends.register(wake, selectors.EVENT_READ)
    print("ready", flush=True)

    def drop(end):
        for one in (end, pairs.pop(end, None)):
            if one is not None:
                pairs.pop(one, None)
                if one.fileno() >= 0 and one in ends.get_map():
                    ends.unregister(one)
                one.close()

    while True:
        for key, _ in ends.select():
            if key.fileobj is wake:
                wake.recv(64)
                for end in list(pairs):
                    if stalled and end in ends.get_map():
                        ends.unregister(end)
                    elif not stalled and end not in ends.get_map():
                        ends.register(end, selectors.EVENT_READ)
            elif key.fileobj is server:
                left, _ = server.accept()
                try:
                    right = socket.create_connection(("127.0.0.1", target), timeout=5)
                except OSError:
                    left.close()
                    continue
                right.settimeout(None)
                for end, other in ((left, right), (right, left)):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if rate:
                        # What a slow link holds is what the sender's node must count, not what this process could.
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
                    pairs[end] = other
                    if not stalled:
                        ends.register(end, selectors.EVENT_READ)
            elif key.fileobj in pairs and not stalled:
                end = key.fileobj
                try:
                    data = end.recv(1 << 14 if slow else 1 << 18)
                    if data:
                        pairs[end].sendall(data)
                        if slow:
                            time.sleep(len(data) / rate)
                        continue
                except OSError:
                    pass
                drop(end)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
