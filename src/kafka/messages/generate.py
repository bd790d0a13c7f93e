#!/usr/bin/env python3
"""Makes one C++ header per message table of this folder.

usage: generate.py TABLE_DIR OUT_DIR      (run by the build; the output lies in the build directory and is never edited)

A table:
    api KEY Name versions MIN..MAX [flexible FROM+]
    request | response
      field: type [versions] [= default]
Types: bool int8 int16 int32 int64 float64 uuid string bytes records, Struct, [type] and [Struct] for arrays; the fields of a Struct are
indented below it. "?" after a type: may be null; "?7+": may be null from version 7 on. Versions: "3+", "..12", "7..10"; none:
wherever the enclosing thing exists. "tag N" at the end: a tagged field, sent in flexible versions when it is not its
default; other tagged fields are skipped, and none of them are sent.
"""
import pathlib
import re
import sys

CPP = {"bool": "bool", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "float64": "double", "uuid": "TopicId",
       "string": "std::string", "bytes": "Slice", "records": "Records"}
FIELD = re.compile(r"^(?P<indent> *)(?P<name>\w+): (?P<array>\[)?(?P<type>\w+)\]?(?P<null>\?)?(?P<null_versions>[\d.+]+)?"
                   r"(?: (?P<versions>[\d.+]+))?(?: = (?P<default>\S+))?(?: tag (?P<tag>\d+))?$")


class Field:
    def __init__(self, match):
        self.__dict__.update(match.groupdict())
        self.indent = len(self.indent)
        self.fields = []

    def cpp_type(self):
        inner = CPP.get(self.type, self.type)
        whole = f"std::vector<{inner}>" if self.array else inner
        return f"std::optional<{whole}>" if self.null and self.type != "records" else whole

    def declaration(self):
        if self.default:
            value = "std::numeric_limits<int32_t>::min()" if self.default == "-2147483648" else self.default
            return f"{self.cpp_type()} {self.name} = {value};"
        zero = " = 0" if self.type.startswith(("int", "float")) and not self.array else " = false" if self.type == "bool" else ""
        return f"{self.cpp_type()} {self.name}{zero};"

    def fallback(self):
        return self.default or f"{self.cpp_type()}{{}}"

    def code(self):
        if self.null and self.type != "records":
            call = f"c.nullable({self.name}, {condition(self.null_versions) or 'true'});"
        else:
            call = f"c.value({self.name});"
        when = condition(self.versions)
        return f"if ({when}) {call}" if when else call


def condition(versions):
    if not versions:
        return ""
    first, last = (versions[:-1], "") if versions.endswith("+") else versions.split("..")
    parts = ([f"c.version() >= {first}"] if first else []) + ([f"c.version() <= {last}"] if last else [])
    return " && ".join(parts)


def parse(path):
    """Returns (key, name, min, max, flexible, request fields, response fields)."""
    head, stack, sides = None, [], {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("api "):
            head = re.match(r"^api (\d+) (\w+) versions (\d+)\.\.(\d+)(?: flexible (\d+)\+)?$", line)
        elif line in ("request", "response"):
            sides[line] = []
            stack = [(0, sides[line])]
        else:
            match = FIELD.match(line)
            if not match or not head or not stack:
                sys.exit(f"{path}:{number}: cannot read: {line}")
            field = Field(match)
            while stack[-1][0] >= field.indent:
                stack.pop()
            stack[-1][1].append(field)
            stack.append((field.indent, field.fields))
    key, name, low, high, flexible = head.groups()
    return int(key), name, int(low), int(high), int(flexible) if flexible else -1, sides["request"], sides["response"]


def struct(name, fields, indent, constants=()):
    pad = " " * indent
    out = [f"{pad}struct {name} {{"] + [f"{pad}  {c}" for c in constants]
    for field in fields:
        if field.fields and field.null and not field.array:
            # Complete before its owner, because an optional asks at once whether it can be made from nothing.
            out = struct(name + field.type, field.fields, indent) + out + [f"{pad}  using {field.type} = {name}{field.type};"]
        elif field.fields:
            out += struct(field.type, field.fields, indent + 2)
    out += [f"{pad}  {f.declaration()}" for f in fields]
    out += [f"{pad}  template <class C>", f"{pad}  void code(C& c) {{"] + [f"{pad}    {f.code()}" for f in fields if not f.tag]
    tagged = ", ".join(f"Tagged{{{f.tag}, {f.name}, {f.fallback()}}}" for f in fields if f.tag)
    return out + [f"{pad}    c.end_struct({tagged});", f"{pad}  }}", f"{pad}}};"]


def header(key, name, low, high, flexible, request, response, source):
    out = [f"// Made from {source} by generate.py. Do not edit.", "#pragma once", "", "#include <limits>", "",
           '#include "kafka/wire.h"', "", "namespace ms::kafka {", ""]
    for side, fields in (("Request", request), ("Response", response)):
        constants = [f"static constexpr ApiSpec kApi{{{key}, {low}, {high}, {flexible}, \"{name}\"}};"]
        out += struct(name + side, fields, 0, constants) + [""]
    return "\n".join(out + ["}  // namespace ms::kafka", ""])


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main(tables, out):
    out.mkdir(parents=True, exist_ok=True)
    apis = []
    for path in sorted(tables.glob("[0-9]*.txt")):
        api = parse(path)
        apis.append((path.stem[3:], api[1]))
        write(out / f"{path.stem[3:]}.h", header(*api, path.name))
    text = ["// Made by generate.py. Do not edit.", "#pragma once", ""]
    text += [f'#include "kafka/messages/{stem}.h"' for stem, _ in apis]
    text += ["", "namespace ms::kafka {", "", "// Calls f.template operator()<Request, Response>() for every API.", "template <class F>",
             "void for_each_api(F&& f) {"]
    text += [f"  f.template operator()<{name}Request, {name}Response>();" for _, name in apis]
    write(out / "all.h", "\n".join(text + ["}", "", "}  // namespace ms::kafka", ""]))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
