"""Shell completion of posternctl: what bash offers, and that both are in step
with --help."""

import os
import pathlib
import re
import subprocess

import pytest

from test_posternctl import PROGRAM

FOLDER = pathlib.Path(__file__).parents[2] / "contrib" / "completion"
ANSWER = ('{"clients":[{"client":"3abd725a-733b-4801-ac16-72f26cd98a24","actor":"Jane Doe",'
          '"email":"jane@acme.com","ipv4":"100.64.0.2"},'
          '{"client":"4abd725a-733b-4801-ac16-72f26cd98a24","actor":null,"email":null,'
          '"ipv4":"100.64.0.3"}],"problem":null}')


@pytest.fixture
def offered(tmp_path):
    """What bash offers behind the words, of which the last one is being typed."""
    fake = tmp_path / "posternctl"
    fake.write_text(f"#!/bin/sh\necho \"$*\" > {tmp_path}/asked\necho '{ANSWER}'\n")
    fake.chmod(0o755)

    def run(*words):
        script = f"""
            . {FOLDER}/posternctl.bash
            COMP_LINE=$1 COMP_POINT=${{#1}}
            _posternctl
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash", " ".join(["posternctl", *words])], capture_output=True,
            text=True, timeout=30, cwd=tmp_path,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
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


def test_packets(offered):
    assert offered("explain", "jane", "") == ["tcp", "udp", "icmp"]
    assert offered("explain", "jane", "u") == ["udp"]
    assert offered("explain", "jane", "tcp", "") == []
    assert offered("log", "de") == ["debug"]


def test_files(offered, tmp_path):
    (tmp_path / "postern.sock").write_text("")
    assert offered("-s", "postern.s") == ["postern.sock"]
    assert offered("debug", "-o", "postern.s") == ["postern.sock"]


@pytest.mark.parametrize("file", ["posternctl.bash", "_posternctl"])
def test_in_step_with_help(file):
    text = (FOLDER / file).read_text()
    help_text = subprocess.run(
        [PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", help_text, re.M)
    assert sorted(commands) == COMMANDS
    for word in commands + re.findall(r"--[a-z]+", help_text):
        assert re.search(rf"(?<![a-z-]){word}(?![a-z-])", text), word
