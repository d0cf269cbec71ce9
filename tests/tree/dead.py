#!/usr/bin/python3
"""No function of the sources is there for the tests alone, or for nobody.

    tests/tree/dead.py [ROOT]

A function that is not static is named somewhere else in the sources than where
it is made and declared; and when that is only in its own file, a test has to
name it, or it ought to be static. First it plants a fault of each kind in a
copy of the tree and sees that it is found; then it looks at the tree. One line
a fault.
"""

import collections
import pathlib
import re
import shutil
import sys
import tempfile

# Called by tests only, and right so, or from outside.
NOT_DEAD = set("""
    sandbox_export
    ctl_free dns_server_free http_free resolver_free spool_close tun_io_free udp_io_free
    __asan_default_options
""".split())

SOURCES = ["common", "parent", "control-worker", "net-worker"]
ENDINGS = {".c", ".h", ".def"}

NO_CODE = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])+'", re.S)
DEFINITION = re.compile(r"^(?!static\b|typedef\b|#)\w[\w \t*]*\n(\w+)\([^;{}]*\)\s*\{", re.M)
PROTOTYPE = re.compile(r"^\w[\w \t*]*?\b(\w+)\([^;{}]*\)(?:\s*__attribute__.*)?;", re.M)
PASTED = re.compile(r"\b(\w+)##\w")
WORD = re.compile(r"\b[A-Za-z_]\w*")


class File:
    def __init__(self, path):
        text = NO_CODE.sub(" ", path.read_text(errors="replace"))
        self.defined = DEFINITION.findall(text) if path.suffix == ".c" else []
        self.words = collections.Counter(WORD.findall(text))
        # What is made or declared here is not used by that.
        made = self.defined + (PROTOTYPE.findall(text) if path.suffix == ".h" else [])
        self.words.subtract(made)
        self.pasted = set(PASTED.findall(text))


def read(root, folders):
    return {str(p.relative_to(root)): File(p) for folder in folders
            for p in sorted((root / folder).rglob("*")) if p.suffix in ENDINGS}


def find_faults(root, tests):
    """Maps (file, function) to what is wrong with it."""
    sources, faults = read(root, SOURCES), {}
    used = collections.defaultdict(set)
    for name, file in sources.items():
        for word, count in file.words.items():
            if count > 0:
                used[word].add(name)
    prefixes = set().union(*(file.pasted for file in sources.values()))
    for name, file in sources.items():
        for function in file.defined:
            where = used[function]
            if function == "main" or function in NOT_DEAD or where - {name}:
                continue
            if any(function.startswith(p) and used[function[len(p):]] for p in prefixes):
                continue
            tested = any(t.words[function] > 0 for t in tests.values())
            if not where:
                faults[name, function] = "only tests call it" if tested else "nobody calls it"
            elif where and not tested:
                faults[name, function] = "it could be static"
    return faults


PLANTED = [
    ("common/sort.c", "int\nplanted(int a)\n{\n\treturn a;\n}\n", "planted"),
    ("common/sort.c", "int\nplanted(int);\n\nint\nplanted(int a)\n{\n\treturn a;\n}\n"
     "static int\ncaller(void)\n{\n\treturn planted(1);\n}\n", "planted"),
    ("parent/tun.c", "/* planted() */\nconst char *\nplanted(void)\n{\n\treturn \"planted\";\n}\n",
     "planted"),
    # Right: another file calls it by its whole name, or by half of it.
    ("common/sort.c", "bool\nrules_permit(void)\n{\n\treturn true;\n}\n", None),
    ("common/sort.c", "void\nengine_site_networks(void)\n{\n}\n", None),
]


def test_itself(root, tests):
    """What does not work as it should, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for source in SOURCES:
            shutil.copytree(root / source, copy / source)
        before = set(find_faults(copy, tests))
        for file, code, name in PLANTED:
            path = copy / file
            text = path.read_text()
            path.write_text(text + "\n" + code)
            new = {fault[1] for fault in set(find_faults(copy, tests)) - before}
            path.write_text(text)
            if new != ({name} if name else set()):
                return f"in {file} it finds {sorted(new)}, not {name}"
    return None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).resolve().parents[2])
    tests = read(root, ["tests"])
    broken = test_itself(root, tests)
    if broken:
        sys.exit("dead.py: " + broken)
    faults = find_faults(root, tests)
    for (file, function), why in sorted(faults.items()):
        print(f"{file}: {function}: {why}")
    if faults:
        sys.exit(1)
    print("all functions are called")


if __name__ == "__main__":
    main()
