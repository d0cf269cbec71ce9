"""Shell completion of posternctl: what bash and zsh offer, and that both are in
step with --help."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from test_posternctl import PROGRAM

FOLDER = pathlib.Path(__file__).parents[2] / "contrib" / "completion"
ANSWER = ('{"clients":[{"client":"3abd725a-733b-4801-ac16-72f26cd98a24","actor":"Jane Doe",'
          '"email":"jane@acme.com","ipv4":"100.64.0.2"},'
          '{"client":"4abd725a-733b-4801-ac16-72f26cd98a24","actor":null,"email":null,'
          '"ipv4":"100.64.0.3"}],"problem":null}')


@pytest.fixture
def environment(tmp_path):
    """Of a shell, with a posternctl that notes what it is asked."""
    fake = tmp_path / "posternctl"
    fake.write_text(f"#!/bin/sh\necho \"$*\" > {tmp_path}/asked\necho '{ANSWER}'\n")
    fake.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.fixture
def offered(tmp_path, environment):
    """What bash offers behind the words, of which the last one is being typed."""
    def run(*words):
        script = f"""
            . {FOLDER}/posternctl.bash
            COMP_LINE=$1 COMP_POINT=${{#1}}
            _posternctl
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash", " ".join(["posternctl", *words])], capture_output=True,
            text=True, timeout=30, cwd=tmp_path, env=environment)
        assert done.returncode == 0 and done.stderr == ""
        asked = tmp_path / "asked"
        run.asked = asked.read_text().strip() if asked.exists() else None
        return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []
    return run


COMMANDS = ["clients", "debug", "drain", "explain", "flows", "log", "netcheck", "relays",
            "resources", "status", "top"]


def test_commands(offered):
    assert offered("") == COMMANDS
    assert offered("re") == ["relays", "resources"]
    assert offered("-j", "st") == ["status"]
    assert offered("-s", "x", "st") == ["status"]
    assert offered("status", "") == []
    assert offered("n") == ["netcheck"]
    assert offered("nothing", "") == []
    assert offered("-n", "3", "to") == ["top"]
    assert offered("--within", "1h", "d") == ["debug", "drain"]


def test_options(offered):
    assert offered("--s") == ["--socket"]
    assert "-w" in offered("status", "-")
    assert offered("--c") == ["--count"]
    assert offered("drain", "--c") == ["--cancel", "--count"]
    assert offered("drain", "--w") == ["--within", "--wide"]
    assert offered("drain", "") == []


def test_clients(offered):
    assert offered("clients", "") == [
        "100.64.0.2", "100.64.0.3", "3abd725a-733b-4801-ac16-72f26cd98a24",
        "4abd725a-733b-4801-ac16-72f26cd98a24", r"Jane\ Doe", "jane@acme.com"]
    assert offered.asked == "-j clients"
    assert offered("explain", "ja") == ["jane@acme.com"]
    assert offered("-f", "flows", "ja") == ["jane@acme.com"]
    assert offered("-s", r"/x\ y", "explain", "4") == ["4abd725a-733b-4801-ac16-72f26cd98a24"]
    assert offered.asked == "-s /x y -j clients"
    assert offered("clients", "jane", "") == []
    # readline begins a word behind the "@", and wants no more than that.
    assert offered("clients", "jane@a") == ["acme.com"]
    assert offered("clients", r"Jane\ D") == [r"Jane\ Doe"]
    assert offered("explain", r"Jane\ Doe", "") == ["tcp", "udp", "icmp"]


def test_names_are_no_patterns(offered, tmp_path):
    fake = tmp_path / "posternctl"
    fake.write_text(fake.read_text().replace("Jane Doe", "p*").replace("jane@acme.com", "[a;b"))
    assert offered("clients", "")[-2:] == [r"\[a\;b", r"p\*"]


def test_packets(offered):
    assert offered("explain", "jane", "") == ["tcp", "udp", "icmp"]
    assert offered("explain", "jane", "u") == ["udp"]
    assert offered("explain", "jane", "tcp", "") == []
    assert offered("log", "de") == ["debug"]


def test_files(offered, tmp_path):
    (tmp_path / "postern.sock").write_text("")
    assert offered("-s", "postern.s") == ["postern.sock"]
    assert offered("debug", "-o", "postern.s") == ["postern.sock"]


# An interactive zsh takes the lines of the arguments behind the first two, each
# with a TAB and an end, and writes what it would offer for it to the second.
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; LISTMAX=1000
compadd() {
    if [[ \${@[1,(i)(-|--)]} != *-[ODA]* ]]; then
        local -a hits
        builtin compadd -O hits \"\$@\"
        print -rl -- \$hits >> $2
    fi
    builtin compadd \"\$@\"
}
finish() { print -- \"= end\" >> $2; zle kill-buffer }
zle -N finish; bindkey ^X finish"
integer lines=0
for line in "${@[3,-1]}"; do
    zpty -w -n z $line$'\t\C-x'
    lines+=1
    until [[ -e $2 && $(grep -c '^= end' $2) -ge $lines ]]; do
        zpty -rt z ignored
        sleep 0.05
    done
done
zpty -d z
"""


@pytest.fixture
def offered_by_zsh(tmp_path, environment):
    """What zsh offers behind each line, in its order."""
    def run(*lines):
        subprocess.run(
            ["zsh", "-f", "-c", ZSH, "zsh", FOLDER, tmp_path / "offers",
             *(f"posternctl {line}" for line in lines)],
            timeout=60, cwd=tmp_path, check=True, env=environment)
        offers = (tmp_path / "offers").read_text().split("= end\n")[:-1]
        return [one.split() for one in offers]
    return run


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh(offered_by_zsh, tmp_path):
    options = re.findall("--[a-z]+", subprocess.run(
        [PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout)
    clients = ["100.64.0.2", "100.64.0.3", "3abd725a-733b-4801-ac16-72f26cd98a24",
               "4abd725a-733b-4801-ac16-72f26cd98a24", "Jane", "Doe", "jane@acme.com"]
    protocols = ["tcp", "udp", "icmp"]
    levels = ["error", "warn", "info", "debug", "trace"]
    wanted = {
        "": COMMANDS, "re": ["relays", "resources"], "status ": [], "drain --c": ["--count", "--cancel"],
        "flows -f ": clients, "-j clients ja": ["jane@acme.com"], "explain jane@acme.com ": protocols,
        "explain jane@acme.com tcp ": [], "log ": levels, "-n 3 to": ["top"],
        "status --": sorted(set(options)), r"-s /x\ y clients ": clients,
    }
    got = offered_by_zsh(*wanted)
    got[list(wanted).index("status --")].sort()
    assert dict(zip(wanted, got)) == wanted
    assert (tmp_path / "asked").read_text() == "-s /x y -j clients\n"


@pytest.mark.parametrize("file", ["posternctl.bash", "_posternctl"])
def test_in_step_with_help(file):
    text = (FOLDER / file).read_text()
    help_text = subprocess.run(
        [PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", help_text, re.M)
    assert sorted(commands) == COMMANDS
    for word in commands + re.findall(r"--[a-z]+", help_text):
        assert re.search(rf"(?<![a-z-]){word}(?![a-z-])", text), word
