#!/usr/bin/env python3
"""Checks servers of other makes with `ringws check` and writes RESULTS.md.

usage: results.py RINGWS DIRECTORY

RINGWS is the program. DIRECTORY is where what is installed and built goes; what is there is used
again. Needs node and npm, python3 with venv, c++, and Debian's libwebsocketpp-dev, libboost-dev,
libboost-system-dev, libwebsockets-dev, libssl-dev, golang-go, golang-github-gorilla-websocket-dev;
uwebsockets is taken from DIRECTORY, where a link to what the harness has built may stand.
A server that cannot be prepared is left out, and said so.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE / "peers"
# Sources under peers/, and what they are linked with.
NATIVE = {
    "websocketpp": ("websocketpp.cpp", ["-lboost_system", "-lpthread", "-lz"]),
    "beast": ("beast.cpp", ["-lpthread"]),
    "libwebsockets": ("libwebsockets.c", ["-lwebsockets", "-lssl", "-lcrypto"]),
}


def run(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, text=True, **more)


def native(name):
    def prepare(at):
        source, libraries = NATIVE[name]
        program = at / name
        if not program.exists():
            compiler = "c++" if source.endswith(".cpp") else "cc"
            run(compiler, "-O1", "-DNDEBUG", PEERS / source, *libraries, "-o", program)
        return [program], None
    return prepare


def rust(name):
    def prepare(at):
        manifest = PEERS / "rust/Cargo.toml"
        run("cargo", "build", "--quiet", "--manifest-path", manifest, "--target-dir", at / "rust2")
        version = re.search(rf'^{name} = .*?"=([0-9.]+)"', manifest.read_text(), re.M)[1]
        return [at / "rust2/debug" / name], f"{name} {version}"
    return prepare


def ws(at):
    if not (at / "node_modules/ws").exists():
        run("npm", "install", "--silent", "--prefix", at, "ws")
    return ["node", PEERS / "ws.mjs"], None


def python(script, package):
    def prepare(at):
        if not (at / "venv").exists():
            run(sys.executable, "-m", "venv", at / "venv")
        run(at / "venv/bin/pip", "install", "--quiet", package)
        return [at / "venv/bin/python", PEERS / script], None
    return prepare


def gorilla(at):
    program = at / "gorilla"
    if not program.exists():
        run("go", "build", "-o", program, PEERS / "gorilla.go",
            env={**os.environ, "GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": str(at / "go")})
    package = run("dpkg-query", "-W", "-f", "${Version}", "golang-github-gorilla-websocket-dev",
                  capture_output=True).stdout
    return [program, package.split("-")[0]], None


def uwebsockets(at):
    program = at / "uwebsockets"
    if not program.exists():
        raise FileNotFoundError("`cargo harness peers -- uwebsockets` builds it, into target/peers/uws")
    return [program, "0", "--deflate", "shared"], "uWebSockets of libuwebsockets-sys 0.0.10"


SERVERS = {
    "ringws": lambda at: ([sys.argv[1], "serve", "--port", "0", "--deflate"], "ringws"),
    "ws": ws,
    "websockets": python("websockets_echo.py", "websockets"),
    "aiohttp": python("aiohttp_echo.py", "aiohttp"),
    "gorilla": gorilla,
    "tungstenite": rust("tungstenite"),
    "fastwebsockets": rust("fastwebsockets"),
    "websocketpp": native("websocketpp"),
    "Boost.Beast": native("beast"),
    "libwebsockets": native("libwebsockets"),
    "uWebSockets": uwebsockets,
}


def check(name, ringws, at):
    command, version = SERVERS[name](at)
    server = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, cwd=at)
    try:
        line = server.stdout.readline()
        port = re.search(r"\d+", line[line.find("127.0.0.1:") + 10:] if "127.0.0.1:" in line else line)[0]
        version = version or line.split(" ", 1)[1].strip().rstrip("-")
        report = at / f"{name}.json"
        report.unlink(missing_ok=True)
        subprocess.run([ringws, "check", f"ws://127.0.0.1:{port}/", "--timeout", "5", "--json", str(report)],
                       stdout=subprocess.DEVNULL, check=False)
        return version, json.loads(report.read_text())
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def main():
    ringws, at = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    at.mkdir(parents=True, exist_ok=True)
    sys.argv[1] = ringws
    found, missing = {}, {}
    for name in sys.argv[3:] or SERVERS:
        print(name, file=sys.stderr, flush=True)
        try:
            found[name] = check(name, ringws, at)
        except (OSError, subprocess.CalledProcessError, TypeError, ValueError) as error:
            missing[name] = error
    if not sys.argv[3:]:
        (HERE / "RESULTS.md").write_text(page(found, missing))
        readme = HERE.parent.parent / "README.md"
        before, rest = readme.read_text().split("<!-- results -->\n")[0::2]
        readme.write_text(f"{before}<!-- results -->\n{table(found)}<!-- results -->\n{rest}")
    else:
        print(page(found, missing))


def table(found):
    text = "| server | rows | passed | should | failed |\n|---|---:|---:|---:|---:|\n"
    for version, report in found.values():
        counts = report["counts"]
        failed = counts["failed"] + counts["trouble"]
        played = sum(counts.values()) - counts["skipped"]
        text += f"| {version} | {played} | {counts['passed']} | {counts['should']} | {failed} |\n"
    return text


def page(found, missing):
    text = (HERE / "peers/RESULTS.head.md").read_text() + "\n" + table(found)
    for name, error in missing.items():
        text += f"\n{name} could not be prepared: {str(error).splitlines()[0]}\n"
    for version, report in found.values():
        text += f"\n## {version}\n"
        text += section(report, ("failed", "trouble"), "Failed", "Nothing failed.")
        text += section(report, ("should",), "Only a SHOULD", "")
    return text


def section(report, verdicts, title, none):
    rows = [row for row in report["rows"] if row["verdict"] in verdicts]
    if not rows:
        return f"\n{none}\n" if none else ""
    same = {}
    for row in rows:
        same.setdefault((row["clause"], row["why"], row["got"] if "Close" in row["got"] else ""), []).append(row["id"])
    text = f"\n{title}:\n\n| rows | clause | what |\n|---|---|---|\n"
    for (clause, why, _), ids in same.items():
        shown = ", ".join(f"`{one}`" for one in ids[:6]) + (f" and {len(ids) - 6} more" if len(ids) > 6 else "")
        text += f"| {shown} | {clause} | {why.replace('|', '/').splitlines()[0]} |\n"
    return text


main()
