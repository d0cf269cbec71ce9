#!/usr/bin/python3
"""Static functions have names that say something where there is no file beside
them: in a profile, a backtrace, a debugger.

    tests/tree/static_names.py [ROOT]

A name is more than a verb (`find`, `go_on`, `is_free`): it has a word of what it
is about. And no two files of one program share one, but for what both workers
do at the same place. First it plants a fault of each kind in a copy of the tree
and sees that it is found; then it looks at the tree. One line a fault.
"""

import collections
import pathlib
import re
import shutil
import sys
import tempfile

# What one can do with anything.
VERBS = set("""
    abandon accept act add allocate announce answer append apply ask assign attach
    become begin bind break build call cancel change check choose clear close
    collect compare compile complete confirm connect continue copy count cover
    create cut decide declare decode delete describe detach dial discard do drain
    draw drop emit encode end enqueue enter equal expire explain fail feed fetch
    fill find finish fit flush follow forget form format forward free generate
    get give go grow hand handle has hash have hear hold init initiate insert
    install is join judge keep kill lay leave let list load log look lose make
    mark match may merge move next note offer on open parse pass pick plan
    poll post prepare print pull push put queue reach read rearm rebuild receive
    reconcile recount redirect refresh refuse release reload remember remove
    rename renew repeat replace report request reserve reset resolve respond
    restart restore retry return revoke route run say schedule seal search select
    send serve set settle show sign skip slide sort start step stop store succeed
    suppress swap take tell test tidy touch transfer translate transmit try turn
    unite update use verify view wait walk want warn watch win wipe withdraw write
""".split())

# What says nothing of what it is said of.
EMPTY = set("""
    a again ahead all an any apart around as at away back be before behind best
    better between both broken by cached changed closed current done down due
    either enough event ever first for free from full gone idle if
    in into item it its last least left live long lost many more
    most much new next no not nothing now of off old older oldest on once one only
    open other others out over own plain ready rest right room same
    self since so some still that the them then there these they thing this
    timeout timer to too two under until up used usable valid what when
    whether which who whole why with within without wrong yet
""".split())

# The two workers begin, speak to their channels and end alike; each of these is
# in ipc_net.c and ipc_control.c, or in both main.c.
ALIKE = set("""
    accuse check_sent make_loop on_clock_timer on_counters on_peer on_shutdown
    on_start say_ready take_over
""".split())

FOLDERS = ["common", "parent", "control-worker", "net-worker"]
DAEMON_HAS_NOT = ["parent/ctl_client.c", "parent/debug_report.c", "parent/mask.c",
                  "parent/posternctl.c", "parent/top.c", "parent/top_sample.c"]

DEFINITION = re.compile(r"^static\b[^;{}()=]*\b(\w+)\s*\([^;{}]*\)\s*\{", re.M)
NO_CODE = re.compile(
    r"/\*.*?\*/"
    r"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*"
    r"|__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", re.M | re.S)


def static_functions(path):
    return DEFINITION.findall(NO_CODE.sub("", path.read_text()))


def is_verb(word):
    return any(form in VERBS for form in (word, word[:-1], word[:-2], word[:-3])
               if word == form or word[len(form):] in ("s", "es", "d", "ed", "ing"))


def says_nothing(name):
    first, *others = name.split("_")
    return (is_verb(first) or first in EMPTY) and all(word in EMPTY for word in others)


def find_faults(root):
    """Maps (file, function) to what is wrong with its name."""
    faults, files = {}, collections.defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]")):
            file = str(path.relative_to(root))
            for name in static_functions(path):
                if says_nothing(name) and name not in ALIKE:
                    faults[file, name] = "what of?"
                if path.suffix == ".c" and file not in DAEMON_HAS_NOT:
                    files[name].append(file)
    for name, there in files.items():
        if len(there) > 1 and name not in ALIKE:
            for file in there[1:]:
                faults[file, name] = "as in " + there[0]
    return faults


PLANTED = [
    ("net-worker/core/flow.c", "static int\nfind(int a)\n{\n\treturn a;\n}\n", "find"),
    ("common/sort.c", "static inline void\ngo_on(void)\n{\n}\n", "go_on"),
    ("parent/tun.c", "static __attribute__((__noreturn__)) void\nrefused(void)\n{\n}\n",
     "refused"),
    ("parent/posternctl.c", "static bool is_free(const char *s)\n{\n}\n", "is_free"),
    ("parent/tun.c", "static void\nclose_flow(void)\n{\n}\n", "close_flow"),
]

NOT_PLANTED = """
/* static void find(void) { } */
static int take(int);
#define MAKE(name) static int make(void) { return name; }
static const struct rule *rule = { 0 };
int
offer(void)
{
}
"""


def test_itself(root):
    """What does not work as it should, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for source in FOLDERS:
            shutil.copytree(root / source, copy / source)
        before = set(find_faults(copy))
        for file, code, name in PLANTED + [("common/sort.c", NOT_PLANTED, None)]:
            path = copy / file
            text = path.read_text()
            path.write_text(text + "\n" + code)
            new = {fault[1] for fault in set(find_faults(copy)) - before}
            path.write_text(text)
            if new != ({name} if name else set()):
                return f"in {file} it finds {sorted(new)}, not {name}"
    return None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).resolve().parents[2])
    broken = test_itself(root)
    if broken:
        sys.exit("static_names.py: " + broken)
    faults = find_faults(root)
    for (file, name), why in sorted(faults.items()):
        print(f"{file}: {name}: {why}")
    names = [n for f in FOLDERS for p in (root / f).rglob("*.[ch]") for n in static_functions(p)]
    unused = ALIKE - set(n for n, c in collections.Counter(names).items() if c > 1)
    for name in sorted(unused):
        print(f"static_names.py: {name} is in one file only; take it out of ALIKE")
    if faults or unused:
        sys.exit(1)
    print(f"{len(names)} static functions")


if __name__ == "__main__":
    main()
