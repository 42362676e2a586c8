"""Echo on the package `aiohttp`, at its defaults."""

import asyncio
import logging
import platform

import aiohttp
from aiohttp import WSMsgType, web

logging.getLogger("aiohttp").setLevel(logging.CRITICAL)


async def echo(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def main():
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(f"{port} aiohttp {aiohttp.__version__}, Python {platform.python_version()}", flush=True)
    await asyncio.Future()


asyncio.run(main())
