"""Manual pages of section 3 out of include/ringws.h:  man3.py HEADER PAGES OUT"""
import os
import re
import sys
import time

COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
MARKS = re.compile(r"`([^`]*)`|\b((?:rws_|RWS_)[A-Za-z_0-9]*[A-Za-z0-9])\b")


def plain(comment):
    """A comment without its stars, one space between words; blank lines between paragraphs."""
    lines = [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in comment.strip().split("\n")]
    return " ".join(" ".join(lines).split())


def escape(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def roff(text):
    """One sentence a line, names in bold, nothing that roff would read as a request."""
    out = []
    for line in re.sub(r"(?<=[.:;?)]) (?=[A-Z])", "\n", text).split("\n"):
        line = MARKS.sub(lambda m: f"\\fB{m.group(1) or m.group(2)}\\fP", line.replace("\\", "\\e"))
        out.append("\\&" + line if line[:1] in (".", "'") else line)
    return "\n".join(out)


def verbatim(text):
    lines = (escape(line) for line in text.strip("\n").split("\n"))
    return ".Bd \\-literal\n".replace("\\-", "-") + "\n".join(
        "\\&" + line if line[:1] in (".", "'") else line for line in lines) + "\n.Ed"


class Header:
    """Functions, types, constants and the contract, by name, as the header declares them."""

    def __init__(self, text):
        self.contract = COMMENT.search(text).group(1)
        self.functions, self.types, self.constants = {}, {}, {}
        self.read_constants(text)
        self.read_types(text[text.index("typedef"):text.index("#ifdef __cplusplus\nextern")])
        self.read_functions(text[text.index('extern "C"'):])

    def read_constants(self, text):
        before = ""
        for line in text[text.index("/* Opcodes"):text.index("typedef")].split("\n"):
            found = re.match(r"#define (RWS_\w+)", line)
            if found:
                self.constants[found.group(1)] = (before + "\n" if before else "") + line
                before = ""
            elif line.strip():
                before += ("\n" if before else "") + line
            else:
                before = ""

    def read_types(self, text):
        starts = [m.start() for m in re.finditer(r"^(?:/\*(?:(?!\*/).)*\*/\n)?typedef", text, re.M | re.S)]
        for start, end in zip(starts, starts[1:] + [len(text)]):
            whole = text[start:end].strip()
            name = re.search(r"^\}? ?(?:typedef.* )?(rws_\w+);", whole, re.M)
            self.types[name.group(1)] = whole

    def read_functions(self, text):
        token = re.compile(r"/\*(.*?)\*/|((?:RWS_MUST_USE )?[a-z_][\w \n*]*?(rws_\w+)\((.*?)\);)([ ]*/\*(.*?)\*/)?",
                           re.S)
        doc, last = "", 0
        for m in token.finditer(text):
            if m.group(1) is not None:
                section = text[m.end():m.end() + 2] == "\n\n"
                doc = "" if section else plain(m.group(1))
                continue
            said = plain(m.group(6)) if m.group(6) else doc
            self.functions[m.group(3)] = (" ".join(m.group(2).split()), said)
            doc, last = "", m.end()


class Pages:
    def __init__(self, text):
        self.pages = []
        for line in text.split("\n"):
            title = re.match(r"\[([\w-]+)\] (.*)", line)
            if title:
                self.pages.append((title.group(1), title.group(2), []))
            elif line and not line.startswith("#"):
                self.pages[-1][2].extend(line.split())


def declared(declaration):
    """`.Ft` and `.Fn` of a declaration."""
    m = re.match(r"(?:RWS_MUST_USE )?(.*?)(rws_\w+)\((.*)\);$", declaration)
    depth, argument, arguments = 0, "", []
    for c in m.group(3):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            arguments.append(argument.strip())
            argument = ""
        else:
            argument += c
    arguments.append(argument.strip())
    called = " ".join(f'"{a}"' for a in arguments)
    return f".Ft {m.group(1).strip()}\n.Fn {m.group(2)} {called}"


def contract(text):
    """The sections of the header's first comment: a word at the margin, its text indented."""
    out, name, body = [], "", []

    def end():
        if name:
            out.append(f".Ss {name}\n" + verbatim("\n".join(body)))

    for line in text.split("\n")[2:]:
        line = re.sub(r"^ \* ?", "", line)
        head = re.match(r"([A-Z]\w+)(?:\s{2,}(.*))?$", line)
        if head:
            end()
            name, body = head.group(1), [head.group(2) or ""]
        elif line.startswith("answers "):  # the second word of `Later answers`
            name += " answers"
            body.append(line[11:])
        else:
            body.append(line[11:] if line.startswith(" " * 11) else line.strip())
    end()
    return "\n".join(out)


def page(name, title, members, header, everything, date):
    functions = [m for m in members if m in header.functions and m not in header.types]
    types = [m for m in members if m in header.types]
    out = [f".\\\" Generated from include/ringws.h by ffi/docs/man/man3.py.", f".Dd {date}",
           f".Dt {name.upper()} 3", ".Os ringws", ".Sh NAME"]
    names = [name] + functions
    out += [f".Nm {n}{' ,' if n != names[-1] else ''}" for n in names]
    out += [f".Nd {title}", ".Sh LIBRARY", "ringws\n.Pq libringws, \\-lringws", ".Sh SYNOPSIS", ".In ringws.h"]
    out += [declared(header.functions[f][0]) for f in functions]
    out.append(".Sh DESCRIPTION")
    if name == "ringws":
        out.append(contract(header.contract))
    else:
        out.append("What holds for all of them, threads, memory, order and statuses, is in\n.Xr ringws 3 .")
    for f in functions:
        out.append(f".Ss {f}\n{roff(header.functions[f][1])}")
    if types:
        out.append(".Sh TYPES")
        out += [f".Ss {t}\n{verbatim(header.types[t])}" for t in types]
    constants = [c for c in header.constants for m in members
                 if m.startswith("RWS_") and (c.startswith(m) if m.endswith("_") else c == m)]
    if constants:
        out.append(".Sh CONSTANTS\n" + verbatim("\n".join(header.constants[c] for c in constants)))
    out.append(".Sh SEE ALSO")
    others = sorted(n for n, _, _ in everything if n != name)
    out += [f".Xr {n} 3 ," for n in others] + [".Xr ringws-threads 7"]
    return "\n".join(out) + "\n"


def date_of():
    now = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    return time.strftime("%B ", now) + str(now.tm_mday) + time.strftime(", %Y", now)


def main(header_path, pages_path, out):
    header = Header(open(header_path).read())
    pages = Pages(open(pages_path).read()).pages
    members = [m for _, _, ms in pages for m in ms if m.startswith("rws_")]
    known = list(header.functions) + list(header.types)
    wrong = [m for m in known if members.count(m) != known.count(m)] + [m for m in members if m not in known]
    unplaced = [c for c in header.constants if not any(
        c.startswith(m) if m.endswith("_") else c == m for _, _, ms in pages for m in ms if m.startswith("RWS_"))]
    undocumented = [f for f, (_, said) in header.functions.items() if not said]
    for what, names in (("not on exactly one page", wrong), ("on no page", unplaced), ("undocumented", undocumented)):
        if names:
            sys.exit(f"{what}: {' '.join(names)}: see ffi/docs/man/pages")
    for name, title, ms in pages:
        with open(f"{out}/{name}.3", "w") as file:
            file.write(page(name, title, ms, header, pages, date_of()))
        for f in ms:
            if f in header.functions and f != name:
                with open(f"{out}/{f}.3", "w") as file:
                    file.write(f".so man3/{name}.3\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
