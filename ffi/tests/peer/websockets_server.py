"""An echo server on `websockets`; it does what the texts `close`, `ping` and `fragments` ask for.

usage: websockets_server.py [--deflate] [--tls CERT KEY]
"""

import asyncio
import signal
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

DEFLATE = "deflate" if "--deflate" in sys.argv else None
TLS = None
if "--tls" in sys.argv:
    at = sys.argv.index("--tls")
    TLS = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    TLS.load_cert_chain(sys.argv[at + 1], sys.argv[at + 2])


async def echo(ws):
    try:
        await answer(ws)
    except ConnectionClosed:
        # With a code other than 1000, which the library takes for an error.
        pass


async def answer(ws):
    async for message in ws:
        if message == "close":
            await ws.close(4001, "bye")
        elif message == "ping":
            await asyncio.wait_for(await ws.ping("hello"), 20)
            await ws.send("ponged")
        elif message == "fragments":
            await ws.send(["frag", "", "ments"])
        else:
            await ws.send(message)


async def main():
    options = {"ssl": TLS, "compression": DEFLATE, "max_size": 64 << 20}
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
        await stop


asyncio.run(main())
