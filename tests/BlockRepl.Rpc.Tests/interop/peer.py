"""A foreign gRPC peer (Debian's python3-grpcio) that speaks raw messages on BlockRepl's one method.

peer.py serve [TLSDIR NODE]        listens on loopback, prints its port, echoes every message reversed
peer.py dial PORT [TLSDIR NODE PEER]  sends messages, checks that each comes back reversed, prints "ok"
"""
import queue
import sys
from concurrent import futures

import grpc

METHOD = "Stream"
SERVICE = "blockrepl.v1.Replication"
SIZES = [0, 1, 5, 4096, 16384, 65536, 1 << 20, 5_000_001, 33 << 20]
OPTIONS = [("grpc.max_receive_message_length", 34 << 20), ("grpc.max_send_message_length", 34 << 20)]


def message(size):
    return bytes((i * 31 + size) % 251 for i in range(min(size, 5003))) * (size // 5003 + 1) if size > 5003 else \
        bytes((i * 31 + size) % 251 for i in range(size))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def serve(tls):
    def stream(requests, context):
        context.send_initial_metadata((("x-foreign", "yes"),))
        for request in requests:
            yield request[::-1]

    server = grpc.server(futures.ThreadPoolExecutor(4), options=OPTIONS)
    handler = grpc.stream_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    if tls:
        directory, node = tls
        credentials = grpc.ssl_server_credentials(
            [(read(f"{directory}/{node}.key"), read(f"{directory}/{node}.pem"))],
            root_certificates=read(f"{directory}/ca.pem"), require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


def dial(port, tls):
    if tls:
        directory, node, peer = tls
        credentials = grpc.ssl_channel_credentials(
            read(f"{directory}/ca.pem"), read(f"{directory}/{node}.key"), read(f"{directory}/{node}.pem"))
        options = OPTIONS + [("grpc.ssl_target_name_override", peer)]
        channel = grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options)
    else:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
    outgoing = queue.SimpleQueue()
    call = channel.stream_stream(f"/{SERVICE}/{METHOD}")(iter(outgoing.get, None), timeout=60)
    for size in SIZES:
        sent = message(size)
        outgoing.put(sent)
        assert next(call) == sent[::-1], f"a message of {size} bytes did not come back"
    outgoing.put(None)
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK, call.code()

    unknown = channel.unary_unary("/blockrepl.v1.Replication/Unknown")
    try:
        unknown(b"", timeout=10)
        raise AssertionError("an unknown method was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    channel.close()
    print("ok", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        dial(sys.argv[2], sys.argv[3:])
