"""Drives an echo server with the client of `aiohttp`.

usage: aiohttp_client.py URL MESSAGE_MAX [--deflate] [--roots FILE]
"""

import asyncio
import ssl
import sys

from aiohttp import ClientSession, WSMsgType

URL, MESSAGE_MAX = sys.argv[1], int(sys.argv[2])
DEFLATE = "--deflate" in sys.argv
TLS = None
if "--roots" in sys.argv:
    TLS = ssl.create_default_context(cafile=sys.argv[sys.argv.index("--roots") + 1])
PATIENCE = 60


def done(name):
    print(f"ok {name}", flush=True)


def opened(session):
    options = {"compress": 15 if DEFLATE else 0, "max_msg_size": 0, "autoping": False}
    return session.ws_connect(URL, ssl=TLS if TLS else True, **options)


async def receive(ws, kind, want):
    message = await ws.receive(PATIENCE)
    assert message.type == kind, f"{message.type} instead of {kind}"
    assert message.data == want, f"{message.data!r:.200} instead of {want!r:.200}"


async def echoes(ws, message):
    if isinstance(message, str):
        await ws.send_str(message)
        await receive(ws, WSMsgType.TEXT, message)
    else:
        await ws.send_bytes(message)
        await receive(ws, WSMsgType.BINARY, message)


async def conversation(session):
    async with opened(session) as ws:
        assert bool(ws.compress) == DEFLATE, f"compress: {ws.compress}"
        for text in ["a", "Grüße", "日本語 😀", "\0", "\U0010ffff"]:
            await echoes(ws, text)
        done("text")
        await echoes(ws, bytes(range(256)))
        done("binary")
        await echoes(ws, "")
        await echoes(ws, b"")
        done("empty")
        for size, name in [(1 << 20, "one_mebibyte"), (16 << 20, "sixteen_mebibytes")]:
            await echoes(ws, bytes(range(256)) * (size >> 8))
            await echoes(ws, "é" * (size >> 1))
            done(name)
        for payload in [b"", b"a", b"\xff" * 125]:
            await ws.ping(payload)
            await receive(ws, WSMsgType.PONG, payload)
        done("ping_and_pong")
        print("n.a. fragments: aiohttp has no call that sends them", flush=True)
        await ws.close(code=4001, message=b"bye")
        assert ws.close_code == 4001, f"closed with {ws.close_code}"
        done("close_by_client")
    async with opened(session) as ws:
        await echoes(ws, "until the server goes")
        print("stop", flush=True)
        message = await ws.receive(PATIENCE)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001), message
        done("close_by_server")


async def main():
    async with ClientSession() as session:
        await conversation(session)


asyncio.run(main())
