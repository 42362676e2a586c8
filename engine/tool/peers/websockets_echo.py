"""Echo on the package `websockets`, at its defaults."""

import asyncio
import logging
import platform

import websockets
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass


async def main():
    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"{port} websockets {websockets.__version__}, Python {platform.python_version()}", flush=True)
        await asyncio.Future()


asyncio.run(main())
