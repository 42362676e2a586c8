"""Runs a program under a seccomp filter (x86-64):  under.py [--without NAME,...] SAMPLE PROGRAM ARGUMENT...
SAMPLE is a profile of Docker's format (.json), or a unit of systemd, whose SystemCallFilter is meant."""
import ctypes
import json
import os
import re
import struct
import subprocess
import sys

HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
ARCH, ALLOW, ERRNO = 0xC000003E, 0x7FFF0000, 0x00050000
LOAD, JEQ, AND, RET = 0x20, 0x15, 0x54, 0x06
EPERM = 1


def numbers():
    return {name: int(n) for name, n in re.findall(r"#define __NR_(\w+) (\d+)", open(HEADER).read())}


def of_docker(path):
    """Rules: (name, arguments, what happens)."""
    profile = json.load(open(path))
    for rule in profile["syscalls"]:
        does = ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else ERRNO | rule["errnoRet"]
        for name in rule["names"]:
            yield name, rule.get("args", []), does


def of_systemd(path):
    def members(name):
        if not name.startswith("@"):
            return {name}
        listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        lines = [line.split("#")[0].strip() for line in listed.stdout.split("\n")[1:]]
        return set().union(*(members(line) for line in lines if line))

    allowed = set()
    for words in re.findall(r"^SystemCallFilter=(.*)$", open(path).read(), re.M):
        named = set().union(*(members(word) for word in words.lstrip("~").split()))
        allowed = allowed - named if words.startswith("~") else allowed | named
    for name in members("@default") | allowed:
        yield name, [], ALLOW


def test(arg):
    """Instructions that fall through where an argument's low word is as the rule has it, and the number of
    the instruction to go on at is written as None: the next rule."""
    load = [(LOAD, 0, 0, 16 + 8 * arg["index"])]
    op, value = arg["op"], arg["value"] & 0xFFFFFFFF
    if op == "SCMP_CMP_MASKED_EQ":
        return load + [(AND, 0, 0, value), (JEQ, 0, None, arg.get("valueTwo", 0))]
    return load + [(JEQ, None, 0, value) if op == "SCMP_CMP_NE" else (JEQ, 0, None, value)]


def program(rules, without):
    known = numbers()
    code = [(LOAD, 0, 0, 4), (JEQ, 1, 0, ARCH), (RET, 0, 0, ERRNO | EPERM)]
    for name, args, does in rules:
        if name not in known or name in without:
            continue
        tests = [i for arg in args for i in test(arg)] + [(RET, 0, 0, does)]
        rule = [(LOAD, 0, 0, 0), (JEQ, 0, None, known[name])] + tests
        for at, (op, yes, no, k) in enumerate(rule):
            rest = len(rule) - at - 1
            code.append((op, rest if yes is None else yes, rest if no is None else no, k))
    return code + [(RET, 0, 0, ERRNO | EPERM)]


def install(code):
    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    packed = b"".join(struct.pack("HBBI", *i) for i in code)
    room = ctypes.create_string_buffer(packed)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    given = Program(len(code), ctypes.addressof(room))
    if libc.prctl(22, 2, ctypes.byref(given), 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}, {len(code)} instructions")


def main(arguments):
    without = set()
    if arguments[0] == "--without":
        without = set(arguments[1].split(","))
        arguments = arguments[2:]
    sample, *command = arguments
    rules = of_docker(sample) if sample.endswith(".json") else of_systemd(sample)
    install(program(list(rules), without))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
