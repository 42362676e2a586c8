"""Drives an echo server with the `websockets` library.

usage: websockets_client.py URL MESSAGE_MAX [--deflate] [--roots FILE] [--brief]

Prints a line for each check and exits with 1 at the first that fails.
"""

import asyncio
import http.client
import ssl
import struct
import sys
import time
import urllib.parse

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL, MESSAGE_MAX = sys.argv[1], int(sys.argv[2])
DEFLATE = "--deflate" in sys.argv
# Only what every cell of the table goes through.
BRIEF = "--brief" in sys.argv
EXCHANGES = [
    "text",
    "binary",
    "empty",
    "one_mebibyte",
    "sixteen_mebibytes",
    "fragments",
    "ping_and_pong",
    "close_by_client",
    "close_by_server",
    "handshake",
]
TLS = None
if "--roots" in sys.argv:
    TLS = ssl.create_default_context(cafile=sys.argv[sys.argv.index("--roots") + 1])
CHECK_SECONDS = 120
# A pong that waits for another event to be sent comes much later.
PONG_SECONDS = 5
MASK = b"\x37\xfa\x21\x3d"
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(have, want, what):
    if have != want:
        shown = [repr(value)[:200] for value in (have, want)]
        raise AssertionError(f"{what}: {shown[0]} instead of {shown[1]}")


def opened(**options):
    """A connection without a limit of its own and without its own pings."""
    return connect(URL, ssl=TLS, max_size=None, ping_interval=None, close_timeout=20, **options)


async def echoes(ws, message, what):
    await ws.send(message)
    equal(await ws.recv(), message, what)


def frame(first, payload, length=None, mask=True):
    """A frame as it is on the wire, right or wrong (RFC 6455 §5.2)."""
    length = len(payload) if length is None else length
    bit = 0x80 if mask else 0
    if length < 126:
        head = struct.pack("!BB", first, bit | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, bit | 127, length)
    if not mask:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


@check
async def handshake():
    async with opened(subprotocols=["chat"], additional_headers={"X-Extra": "1"}) as ws:
        equal(ws.response.status_code, 101, "status")
        equal(ws.subprotocol, None, "a subprotocol that the server does not know")
        # The library offers permessage-deflate.
        equal("permessage-deflate" in ws.request.headers["Sec-WebSocket-Extensions"], True, "offer")
        answer = ws.response.headers.get("Sec-WebSocket-Extensions", "")
        equal("permessage-deflate" in answer, DEFLATE, "answer")
        await echoes(ws, "after the handshake", "text")
    async with connect(URL + "/a/path?with=query", ssl=TLS) as ws:
        await echoes(ws, "on a path", "text")


@check
async def what_is_no_handshake():
    address = urllib.parse.urlsplit(URL)

    def status(method, headers):
        place = (address.hostname, address.port)
        if TLS:
            connection = http.client.HTTPSConnection(*place, timeout=20, context=TLS)
        else:
            connection = http.client.HTTPConnection(*place, timeout=20)
        connection.request(method, "/", headers=headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status, response.headers

    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", **key}
    version = {"Sec-WebSocket-Version": "13"}
    run = asyncio.to_thread
    equal((await run(status, "GET", {}))[0], 426, "a plain GET")
    code, headers = await run(status, "GET", {**upgrade, "Sec-WebSocket-Version": "8"})
    equal((code, headers["Sec-WebSocket-Version"]), (426, "13"), "version 8")
    equal((await run(status, "POST", {**upgrade, **version}))[0], 405, "POST")
    short = {**upgrade, **version, "Sec-WebSocket-Key": "short"}
    equal((await run(status, "GET", short))[0], 400, "a short key")


@check
async def text():
    async with opened() as ws:
        for message in ["a", "Grüße", "日本語", "\U0001f600", "\x00", "\ufeff", "\U0010ffff"]:
            await echoes(ws, message, ascii(message))


@check
async def binary():
    async with opened() as ws:
        await echoes(ws, bytes(range(256)), "all bytes")


@check
async def empty():
    async with opened() as ws:
        await echoes(ws, "", "empty text")
        await echoes(ws, b"", "empty binary")


@check
async def lengths():
    async with opened() as ws:
        for around in [125, 126, 127, 4096, 65535, 65536, 1 << 20]:
            for length in range(around - 2, around + 3):
                await echoes(ws, bytes(i % 251 for i in range(length)), f"{length} bytes")
                await echoes(ws, "x" * length, f"{length} characters")


@check
async def one_mebibyte():
    async with opened() as ws:
        await echoes(ws, bytes(range(256)) * (1 << 12), "binary")
        await echoes(ws, "é" * (1 << 19), "text")


@check
async def sixteen_mebibytes():
    async with opened() as ws:
        await echoes(ws, bytes(range(256)) * (1 << 16), "binary")
        await echoes(ws, "é" * (8 << 20), "text")


@check
async def as_large_as_allowed():
    async with opened() as ws:
        await echoes(ws, b"\xa5" * MESSAGE_MAX, "the largest message")


@check
async def fragments():
    async with opened() as ws:
        await ws.send(["Frag", "", "mentéd", ""])
        equal(await ws.recv(), "Fragmentéd", "text")
        await ws.send([b"\x00\xff", b"", b"\xff"])
        equal(await ws.recv(), b"\x00\xff\xff", "binary")
        await ws.send([bytes([i % 256]) * (i % 300) for i in range(10_000)])
        want = b"".join(bytes([i % 256]) * (i % 300) for i in range(10_000))
        equal(await ws.recv(), want, "10,000 fragments")


@check
async def characters_cut_by_fragments():
    async with opened() as ws:
        encoded = "κόσμε \U0001f600".encode()
        for n, byte in enumerate(encoded[:-1]):
            ws.transport.write(frame(0x00 if n else 0x01, bytes([byte])))
        ws.transport.write(frame(0x80, encoded[-1:]))
        equal(await ws.recv(), encoded.decode(), "text")


@check
async def control_frames_between_fragments():
    async with opened() as ws:

        async def parts():
            yield "one "
            await asyncio.wait_for(await ws.ping(b"between"), PONG_SECONDS)
            yield "two "
            await ws.pong(b"unasked")
            yield "three"

        await ws.send(parts())
        equal(await ws.recv(), "one two three", "text")


@check
async def ping_and_pong():
    async with opened() as ws:
        for payload in [b"", b"a", b"\xff\x00", b"x" * 125]:
            await asyncio.wait_for(await ws.ping(payload), PONG_SECONDS)
        # Nothing answers a pong that nobody asked for.
        await ws.pong(b"unasked")
        await echoes(ws, "after the pongs", "text")
        # Pongs come in order, and a newer one may stand for older ones (RFC 6455 §5.5.3).
        pongs = [await ws.ping(str(n)) for n in range(1000)]
        await asyncio.wait_for(asyncio.gather(*pongs), PONG_SECONDS)


@check
async def close_by_client():
    codes = [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999]
    for code in codes:
        for reason in ["", "going: ü", "x" * 123]:
            async with opened() as ws:
                await echoes(ws, "before the close", "text")
                await ws.close(code, reason)
                answer = ws.protocol.close_rcvd
                equal(answer is None, False, f"no answer to {code}")
                equal(answer.code, code, "code of the answer")
                # The code is echoed; the reason may be (RFC 6455 §5.5.1).
                equal(answer.reason in ("", reason), True, f"reason {answer.reason!r}")


async def failed(what, sent, want):
    """Sends bytes that the server must answer with a Close frame of this code."""
    async with opened() as ws:
        await echoes(ws, "before", "text")
        ws.transport.write(sent)
        try:
            message = await ws.recv()
        except ConnectionClosed:
            message = None
        equal(message, None, f"{what}: echoed")
        answer = ws.protocol.close_rcvd
        equal(answer and answer.code, want, f"{what}: close code")


@check
async def what_breaks_the_protocol():
    start = frame(0x01, b"a")
    cases = {
        "unmasked frame": frame(0x81, b"hello", mask=False),
        "reserved bit": frame(0xA1, b"hello"),
        "reserved data opcode": frame(0x83, b""),
        "reserved control opcode": frame(0x8B, b""),
        "fragmented ping": frame(0x09, b"a"),
        "ping of 126 bytes": frame(0x89, b"x" * 126),
        "continuation of nothing": frame(0x80, b"a"),
        "text inside a fragmented text": start + frame(0x81, b"b"),
        "length in more bytes than needed": b"\x81\xfe\x00\x05" + MASK + b"hello",
        "close of one byte": frame(0x88, b"\x03"),
        **{
            f"close code {code}": frame(0x88, struct.pack("!H", code))
            for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]
        },
    }
    for what, sent in cases.items():
        await failed(what, sent, 1002)


@check
async def what_is_not_utf8():
    cases = {
        "text": frame(0x81, b"\xff"),
        "surrogate": frame(0x81, b"\xed\xa0\x80"),
        "overlong": frame(0x81, b"\xc0\xaf"),
        "cut at the end": frame(0x81, "日".encode()[:2]),
        # Neither the message nor the frame is at its end.
        "first fragment": frame(0x01, b"ok \xf8"),
        "half a frame": frame(0x81, b"ok \xf8", length=1000),
        "close reason": frame(0x88, b"\x03\xe8\xff"),
    }
    for what, sent in cases.items():
        await failed(what, sent, 1007)


@check
async def too_large():
    # The head of the frame is enough.
    await failed("declared", frame(0x82, b"", length=MESSAGE_MAX + 1), 1009)
    await failed("declared as 2^63 - 1", frame(0x82, b"", length=(1 << 63) - 1), 1009)
    parts = frame(0x02, b"x") + frame(0x80, b"", length=MESSAGE_MAX)
    await failed("in all its fragments", parts, 1009)
    # With all its bytes under way: the answer must not be lost over them.
    await failed("sent", frame(0x82, b"", length=MESSAGE_MAX + 1) + bytes(1 << 20), 1009)


@check
async def ten_thousand_in_flight():
    async with opened() as ws:
        wanted = [f"{n} " + "x" * (n % 2000) for n in range(10_000)]
        sending = asyncio.create_task(send_all(ws, wanted))
        for want in wanted:
            equal(await ws.recv(), want, "in order")
        await sending


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


@check
async def a_slow_reader_loses_nothing():
    size, count = 1 << 20, 2 * (MESSAGE_MAX >> 20)
    async with opened() as ws:
        ws.transport.pause_reading()
        wanted = [bytes([n % 256]) * size for n in range(count)]
        sending = asyncio.create_task(send_all(ws, wanted))
        await asyncio.sleep(1)
        ws.transport.resume_reading()
        for want in wanted:
            equal(await ws.recv(), want, "in order")
        await sending


@check
async def two_hundred_connections():
    async def one(n):
        async with opened() as ws:
            for round in range(20):
                await echoes(ws, f"{n} {round}", "text")

    await asyncio.gather(*(one(n) for n in range(200)))


@check
async def connections_that_break_off():
    for _ in range(50):
        ws = await opened()
        await ws.send("x" * 100_000)
        ws.transport.abort()
    async with opened() as ws:
        await echoes(ws, "still there", "text")


@check
async def close_by_server():
    async with opened() as ws:
        await echoes(ws, "until the server goes", "text")
        print("stop", flush=True)
        try:
            await ws.recv()
        except ConnectionClosed as end:
            equal(end.rcvd and end.rcvd.code, 1001, "close code")


async def main():
    for function in CHECKS:
        if BRIEF and function.__name__ not in EXCHANGES:
            continue
        started = time.monotonic()
        try:
            await asyncio.wait_for(function(), CHECK_SECONDS)
        except Exception as error:
            print(f"FAILED {function.__name__}: {error!r}", flush=True)
            return 1
        print(f"ok {function.__name__} ({time.monotonic() - started:.2f} s)", flush=True)
    return 0


sys.exit(asyncio.run(main()))
