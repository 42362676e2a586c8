"""An echo server on `aiohttp`, which does what the texts `close`, `ping` and `fragments` ask for.

usage: aiohttp_server.py [--deflate] [--tls CERT KEY]
"""

import asyncio
import signal
import ssl
import sys

from aiohttp import WSMsgType, web

DEFLATE = "--deflate" in sys.argv
TLS = None
if "--tls" in sys.argv:
    at = sys.argv.index("--tls")
    TLS = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    TLS.load_cert_chain(sys.argv[at + 1], sys.argv[at + 2])


async def echo(request):
    ws = web.WebSocketResponse(max_msg_size=64 << 20, compress=DEFLATE, autoping=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type == WSMsgType.TEXT and message.data == "close":
            await ws.close(code=4001, message=b"bye")
        elif message.type == WSMsgType.TEXT and message.data == "ping":
            await ws.ping(b"hello")
        elif message.type == WSMsgType.TEXT and message.data == "fragments":
            # The library has no call that sends them.
            await ws.send_str("fragments")
        elif message.type == WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await ws.send_bytes(message.data)
        elif message.type == WSMsgType.PING:
            await ws.pong(message.data)
        elif message.type == WSMsgType.PONG:
            await ws.send_str("ponged" if message.data == b"hello" else "another pong")
    return ws


async def main():
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=TLS, shutdown_timeout=1)
    await site.start()
    print(f"listening on {site._server.sockets[0].getsockname()[1]}", flush=True)
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    await stop
    await runner.cleanup()


asyncio.run(main())
