#!/bin/bash
# contrib/systemd/posternd.service against what posternd does: a call that its
# own filters allow has to pass the unit's as well, and likewise capabilities,
# kinds of sockets and namespaces. And the figure that systemd gives it.

cd "$(dirname "$0")/../.." || exit 1
[ -n "$(command -v systemd-analyze)" ] || { echo "no systemd-analyze"; exit 77; }
exec /usr/bin/python3 - contrib/systemd/posternd.service <<'PYTHON'
import re
import subprocess
import sys

UNIT = sys.argv[1]
EXPOSURE_MOST = 2.9  # a root that makes workers; see posternd(8)
# What is allowed by posternd and not by the unit, and why it can be.
NOT_CALLED = {
    "chroot": "mounts are not refused there",
    "setrlimit": "prlimit64(2) in every C library of a system with systemd",
}
NOT_HELD = {"CAP_SYS_CHROOT": "likewise"}
NOT_LEFT = {"ipc": "the service has its own", "uts": "likewise",
            "cgroup": "likewise, and no worker sees a path of it"}
count = failed = 0


def check(name, wrong):
    global count, failed
    count += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {count} - {name}")
    if wrong:
        print(wrong)


def values(key):
    """But for those that are taken off again, by a "~"."""
    return [word for line in open(UNIT) if line.startswith(key + "=")
            and not line.startswith(key + "=~")
            for word in line.split("=", 1)[1].split()]


def taken_off(key):
    return [word for line in open(UNIT) if line.startswith(key + "=~")
            for word in line.split("=~", 1)[1].split()]


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words],
                          capture_output=True, text=True).stdout


def groups():
    found, group = {}, None
    for line in analyze("syscall-filter").splitlines():
        if line.startswith("@"):
            group = found.setdefault(line.strip(), set())
        elif group is not None and line.startswith(" "):
            group.add(line.strip())
    return found


def expand(names, known):
    for name in names:
        if name.startswith("@"):
            yield from expand(known[name], known)
        else:
            yield name


known = groups()
allowed = set(expand([*values("SystemCallFilter"), "@default"], known))
allowed -= set(expand(taken_off("SystemCallFilter"), known))
needed = set()
for path in ["parent/sandbox_parent.c", "net-worker/sandbox_net.c",
             "control-worker/sandbox_control.c"]:
    source = open(path).read()
    # Those that are answered by an error may be so here.
    source = re.sub(r"\{[^{}]*\.error = [^{}]*\}", "", source)
    needed.update(re.findall(r"\bALLOW\w*\(\s*([a-z]\w*)\s*,\s*\"", source))
    needed.update(re.findall(r"SCMP_SYS\(((?!name\b)\w+)\)", source))
check("lists of system calls were read", "" if len(needed) > 90 else needed)
check("system calls", " ".join(sorted(needed - allowed - set(NOT_CALLED))))
check("and no exception too many", " ".join(set(NOT_CALLED) & allowed))

kept = re.search(r"kept\[\] = \{(.*?)\};", open("parent/sandbox_parent.c").read(),
                 re.S).group(1)
kept = set(re.findall(r"CAP_\w+", kept))
check("capabilities were read", "" if "CAP_NET_ADMIN" in kept else kept)
check("capabilities",
      " ".join(sorted(kept - set(values("CapabilityBoundingSet"))
                      - set(NOT_HELD))))

spaces = set()
for path in ["common/sandbox.c", "common/sandbox_root.c"]:
    spaces.update(re.findall(r"CLONE_NEW(\w+)", open(path).read()))
spaces = {{"NS": "mnt"}.get(s, s.lower()) for s in spaces}
check("namespaces", " ".join(sorted(spaces - set(values("RestrictNamespaces"))
                                    - set(NOT_LEFT))))
check("a space of its own for those that workers keep",
      "" if values("PrivateIPC") == values("ProtectHostname") == ["yes"]
      else "PrivateIPC, ProtectHostname")

text = analyze("security", "--offline=true", UNIT)
figure = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
check(f"exposure is {figure and figure.group(1)}, at most {EXPOSURE_MOST}",
      text if not figure or float(figure.group(1)) > EXPOSURE_MOST else "")
sys.exit(failed > 0)
PYTHON
