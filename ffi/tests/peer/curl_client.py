"""Drives an echo server with libcurl's WebSocket, which curl_cffi brings along.

usage: curl_client.py URL MESSAGE_MAX [--roots FILE]
"""

import select
import struct
import sys
import time

from curl_cffi import CurlECode, CurlError, CurlInfo, Session
from curl_cffi.const import CurlWsFlag

URL, MESSAGE_MAX = sys.argv[1], int(sys.argv[2])
ROOTS = sys.argv[sys.argv.index("--roots") + 1] if "--roots" in sys.argv else True
PATIENCE = 60
TEXT, BINARY, CONT = CurlWsFlag.TEXT, CurlWsFlag.BINARY, CurlWsFlag.CONT


def done(name):
    print(f"ok {name}", flush=True)


def frames(ws):
    """What libcurl gives: pieces of frames with their flags, Pongs too."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            yield ws.curl.ws_recv()
        except CurlError as error:
            if error.code != CurlECode.AGAIN:
                raise
            select.select([ws.curl.getinfo(CurlInfo.ACTIVESOCKET)], [], [], 1)
    raise TimeoutError(f"nothing within {PATIENCE} s")


def receive(ws, want, flag):
    pieces = []
    for piece, frame in frames(ws):
        assert frame.flags & flag, f"flags {frame.flags} instead of {flag}"
        pieces.append(piece)
        if frame.bytesleft == 0 and not frame.flags & CONT:
            break
    have = b"".join(pieces)
    assert have == want, f"{have!r:.200} instead of {want!r:.200}"


def echoes(ws, message):
    flag = TEXT if isinstance(message, str) else BINARY
    payload = message.encode() if isinstance(message, str) else message
    ws.send(payload, flag, timeout=PATIENCE)
    receive(ws, payload, flag)


def opened(session):
    return session.ws_connect(URL, max_message_size=MESSAGE_MAX, verify=ROOTS, timeout=PATIENCE)


def conversation(session):
    ws = opened(session)
    for text in ["a", "Grüße", "日本語 😀", "\0", "\U0010ffff"]:
        echoes(ws, text)
    done("text")
    echoes(ws, bytes(range(256)))
    done("binary")
    echoes(ws, "")
    echoes(ws, b"")
    done("empty")
    for size, name in [(1 << 20, "one_mebibyte"), (16 << 20, "sixteen_mebibytes")]:
        echoes(ws, bytes(range(256)) * (size >> 8))
        echoes(ws, "é" * (size >> 1))
        done(name)
    ws.send(b"Frag", TEXT | CONT, timeout=PATIENCE)
    ws.send("mentiert é".encode(), TEXT | CONT, timeout=PATIENCE)
    ws.send(b"!", TEXT, timeout=PATIENCE)
    receive(ws, "Fragmentiert é!".encode(), TEXT)
    done("fragments")
    for payload in [b"", b"a", b"\xff" * 125]:
        ws.ping(payload, timeout=PATIENCE)
        receive(ws, payload, CurlWsFlag.PONG)
    done("ping_and_pong")
    ws.curl.ws_send(struct.pack("!H", 4001) + b"bye", CurlWsFlag.CLOSE)
    receive(ws, struct.pack("!H", 4001), CurlWsFlag.CLOSE)
    done("close_by_client")
    ws.terminate()

    ws = opened(session)
    echoes(ws, "until the server goes")
    print("stop", flush=True)
    receive(ws, struct.pack("!H", 1001), CurlWsFlag.CLOSE)
    done("close_by_server")
    ws.terminate()


with Session() as session:
    conversation(session)
