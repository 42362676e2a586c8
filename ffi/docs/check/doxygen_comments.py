"""Doxygen's input filter: comments of ours as those that Doxygen reads.  doxygen_comments.py FILE"""
import os
import re
import sys

# What a user of the wrapper does not name.
HIDDEN = re.compile(r"^namespace detail \{.*?^\}  // namespace detail$|^template <> struct std::hash.*?^\};$", re.S | re.M)


def text(comment):
    """Nothing in it is a command; `x` is code."""
    comment = re.sub(r"\n\s*\* ?", "\n", comment)
    comment = re.sub(r"[\\@#%<>&]|::", lambda m: "\\" + m.group(0), comment)
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", comment)


def header(source):
    """C: a comment before a declaration, or behind it on its line; others are headings."""
    first = source.index("*/") + 2
    contract = source[2:first - 2]
    out = ["/** @file ringws.h\n@brief The C ABI.\n@verbatim\n", re.sub(r"\n \*", "\n", contract), "\n@endverbatim\n*/"]
    source = re.sub(r"typedef (struct|enum) \{ /\*(.*?)\*/", r"/*\2*/\ntypedef \1 {", source[first:], flags=re.S)
    at = 0
    for m in re.finditer(r"/\*(.*?)\*/", source, re.S):
        out.append(source[at:m.start()])
        at = m.end()
        line = source[source.rfind("\n", 0, m.start()) + 1:m.start()]
        after = source[m.end():]
        own = after.split("\n", 2)[1] if after.startswith("\n") else ""
        if line.strip() and not line.startswith("#endif"):
            out.append(f"/**<{text(m.group(1))}*/")
        elif line.startswith("#endif") or not own.strip() or own.lstrip().startswith("/*") or (
                own.startswith("#define") and "/*" in own):
            out.append(m.group(0))
        else:
            out.append(f"/**{text(m.group(1))}*/")
    out.append(source[at:])
    return "".join(out)


def calls(lines, at):
    """The functions of C that the member which begins at a line calls."""
    body, depth = "", 0
    for line in lines[at:at + 12]:
        body += line + "\n"
        depth += line.count("{") - line.count("}")
        if depth <= 0 and ("}" in line or line.rstrip().endswith(";")):
            break
    inside = body[body.find("{"):] if "{" in body else ""
    return list(dict.fromkeys(re.findall(r"\b(rws_\w+)\(", inside)))


def wrapper(source, name):
    """C++: // before a declaration, or behind it; not inside of bodies, nor the file's own. A member
    without a word is referred to what it calls."""
    out, in_head = [f"/** @file {name}\n@brief The C++17 wrapper.\n@verbatim\n"], True
    lines = HIDDEN.sub(lambda m: "\n" * m.group(0).count("\n"), source).split("\n")
    for at, line in enumerate(lines):
        if in_head and line.startswith("//"):
            out.append(line[3:] + "\n")
            continue
        if in_head:
            out.append("@endverbatim\n*/\n")
            in_head = False
        own = re.match(r"( {0,2})// ?(.*)", line)
        behind = re.match(r"( {0,2}\S.*[;}]) *// ?(.*)", line)
        before = lines[at - 1].strip()
        if own:
            line = f"{own.group(1)}/// {text(own.group(2))}"
        elif behind:
            line = f"{behind.group(1)} ///< {text(behind.group(2))}"
        elif re.match(r"  [a-zA-Z~].*\(", line) and not before.startswith(("//", "template")):
            found = calls(lines, at)
            if found:
                line = f"  /// See {', '.join(found)}.\n{line}"
        out.append(line + "\n")
    return "".join(out)


if __name__ == "__main__":
    name = sys.argv[1]
    said = open(name).read()
    if name.endswith("ringws.h"):
        said = header(said)
    elif name.endswith(".hpp"):
        said = wrapper(said, os.path.basename(name))
    sys.stdout.write(said)
