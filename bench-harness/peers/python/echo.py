"""Echo on picows, under uvloop.  usage: echo.py [port, 0: any] [--tls certificate key]

Frames are answered from the buffer they came in, without a copy in Python; text is not validated,
which the core API leaves to its user. A fragment is answered by a fragment. Sockets are those of
aiofastnet, the default: faster here than uvloop's own. Nothing joins the answers to one read.
"""

import asyncio
import gc
import logging
import ssl
import sys

import picows
import uvloop

MESSAGE_MAX = 64 << 20


class Echo(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type != picows.WSMsgType.PONG:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), fin=frame.fin)


def secrets() -> ssl.SSLContext | None:
    if "--tls" not in sys.argv:
        return None
    at = sys.argv.index("--tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[at + 1], sys.argv[at + 2])
    return context


async def main() -> None:
    server = await picows.ws_create_server(
        lambda request: Echo(),
        "127.0.0.1",
        int(sys.argv[1]) if len(sys.argv) > 1 else 9001,
        backlog=4096,
        ssl=secrets(),
        websocket_handshake_timeout=None,
        max_frame_size=MESSAGE_MAX,
        read_buffer_init_size=64 * 1024,
    )
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# Its warnings that a peer reads slowly are no news under load.
logging.getLogger("picows").setLevel(logging.ERROR)
gc.freeze()
uvloop.run(main())
