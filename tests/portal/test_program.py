"""The program as a user runs it: configuration errors, exit codes, subcommands."""

import json
import pathlib
import signal
import subprocess
import sys

import pytest
from postern_portal import config, derive
from postern_portal.fields import ConfigError

PORTAL = pathlib.Path(__file__).resolve().parents[2] / "contrib" / "portal"
PROGRAM = [sys.executable, str(PORTAL / "postern-portal")]
MINIMAL = '[portal]\nlisten = "127.0.0.1:0"\ncontrol_socket = "c.sock"\n'
HASH = "0" * 64


def run(*arguments, stdin=""):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=10
    )


def test_the_example_is_valid():
    settings = config.load(str(PORTAL / "site.example.toml"))
    assert settings.gateway_tokens[0].token_hashes == (derive.token_hash("gateway-token"),)
    assert settings.relay_tokens[0].token_hashes == (derive.token_hash("relay-token"),)
    assert settings.users[0].token_hashes == (derive.token_hash("jane-token"),)


@pytest.mark.parametrize("text, error", [
    ("x = ", "not valid TOML"),
    ("port = 1", "port: is not a known key"),
    ('[portal]\nlisten = "8080"', 'portal.listen: "8080" is not of the form'),
    ("[portal]\nlisten = 8080", "portal.listen: must be a list"),
    ('[portal]\nlisten = "host:80"', 'portal.listen: "host" is not an IP address'),
    ('[portal]\ntls_key = "k"', "portal.tls_key: tls_certificate and tls_key belong together"),
    ('[site]\nid = "x"', 'site.id: "x" is not a UUID'),
    ('[dns]\ndoh = ["http://x/"]', "dns.doh[0]:"),
    ('[dns]\nupstream = ["ns1"]', 'dns.upstream[0]: "ns1" is not an IP address'),
    ('[dns]\nsearch_domain = ""', "dns.search_domain: must not be empty"),
    ("[[users]]", "users[0].name: is missing; a string is needed"),
    ('[[users]]\nname = "a"\ntoken_sha256 = "secret"',
     "users[0].token_sha256: must be the 64 hex digits that hash-token prints"),
    (f'[[users]]\nname = "a"\ntoken_sha256 = "{HASH}"\nexpires_at = 2030-01-01T00:00:00',
     "users[0].expires_at: needs a zone; write 2030-01-01T00:00:00Z for UTC"),
    (f'[[users]]\nname = "a"\ntoken_sha256 = "{HASH}"\n[[gateway_tokens]]\ntoken_sha256 = "{HASH}"',
     "users[0].token_sha256: is used twice"),
    ('[[resources]]\ntype = "cidr"\nname = "a"\naddress = "10.0.0.1/8"',
     "resources[0].address: 10.0.0.1/8 has host bits set"),
    ('[[resources]]\ntype = "ftp"\nname = "a"',
     'resources[0].type: "ftp" is none of "cidr", "dns", "internet"'),
    ('[[resources]]\ntype = "dns"\nname = "a"\naddress = "b"\nfilters = ["tcp/9-1"]',
     'resources[0].filters[0]: "tcp/9-1": ports go from low to high'),
    ('[[resources]]\ntype = "internet"\naddress = "b"',
     "resources[0].address: is not a known key"),
    ('[[resources]]\ntype = "internet"\n[[resources]]\ntype = "internet"',
     'resources[1]: "'),
    ('[[policies]]\nresource = "a"\nusers = ["*"]',
     'policies[0].resource: there is no resource "a"'),
    ('[[resources]]\ntype = "internet"\n[[policies]]\nresource = "Internet"\nusers = ["a"]',
     'policies[0].users: there is no user "a"'),
    ('[[relays]]\nipv4 = "1.2.3.4"', "relays[0].secret: give secret, or stamp_secret"),
    ('[[relays]]\nipv4 = "::1"\nsecret = "s"', 'relays[0].ipv4: "::1" is not an ipv4 address'),
    ('[[relays]]\nipv6 = "fe80::1%eth0"\nsecret = "s"',
     'relays[0].ipv6: "fe80::1%eth0" is not an ipv6 address'),
    (f'[[relay_tokens]]\ntoken_sha256 = "{HASH}"\n[[gateway_tokens]]\ntoken_sha256 = "{HASH}"',
     "relay_tokens[0].token_sha256: is used twice"),
    ('[[relay_tokens]]\nname = "a"', "relay_tokens[0].token_sha256: is missing"),
    ('[[relays]]\nsecret = "s"', "relays[0].ipv4: a relay needs ipv4, ipv6 or both"),
    ('[[relays]]\nipv4 = "1.2.3.4"\nsecret = "s"\nport = true',
     "relays[0].port: must be a whole number"),
])
def test_configuration_errors_name_file_key_and_fault(tmp_path, text, error):
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert error in str(caught.value)


def test_exit_codes(tmp_path):
    file = tmp_path / "site.toml"
    file.write_text("[portal]\nlisten = 1")
    result = run("-c", file)
    assert result.returncode == 2
    assert result.stderr == f"postern-portal: {file}: portal.listen: must be a list\n"
    assert run("-c", tmp_path / "none").returncode == 2
    assert run().returncode == 2
    file.write_text(MINIMAL)
    assert run("-n", "-c", file).returncode == 0
    file.write_text(MINIMAL + 'tls_certificate = "none"\ntls_key = "none"')
    result = run("-c", file)
    assert result.returncode == 2 and "portal.tls_certificate" in result.stderr
    (tmp_path / "state.json").write_text("{}")
    file.write_text(MINIMAL)
    result = run("-c", file)
    assert result.returncode == 1 and "state.json" in result.stderr


def test_hash_token():
    result = run("hash-token", stdin=" .a\nb \n")
    assert result.stdout == derive.token_hash(".ab") + "\n"
    assert run("hash-token", stdin="\n").returncode == 1


def test_run_control_and_end(tmp_path):
    file, socket = tmp_path / "site.toml", tmp_path / "c.sock"
    file.write_text(MINIMAL)
    with subprocess.Popen([*PROGRAM, "-c", str(file)], stderr=subprocess.PIPE, text=True) as portal:
        line = portal.stderr.readline()
        assert "listening on ws://127.0.0.1:" in line
        status = run("ctl", socket, '{"cmd":"status"}')
        assert status.returncode == 0
        assert json.loads(status.stdout)["listen"][0] in line
        assert run("ctl", socket, "nonsense").returncode == 1
        second = run("-c", file)
        assert second.returncode == 1 and "another portal is running" in second.stderr
        assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
        portal.send_signal(signal.SIGTERM)
        assert portal.wait(timeout=10) == 0
    assert not socket.exists()
    assert run("ctl", socket, "{}").returncode == 1


def test_a_socket_left_by_a_crash_is_replaced(tmp_path):
    file, socket = tmp_path / "site.toml", tmp_path / "c.sock"
    file.write_text(MINIMAL)
    for _ in range(2):
        with subprocess.Popen([*PROGRAM, "-c", str(file)], stderr=subprocess.PIPE) as portal:
            portal.stderr.readline()
            assert run("ctl", socket, '{"cmd":"status"}').returncode == 0
            portal.kill()
    assert socket.exists()
