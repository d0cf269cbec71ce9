"""A real control-worker whose parent and net-worker are played by the test.

The messages between the processes are read from common/ipc.def, so that there is
one table only.
"""

import array
import contextlib
import ipaddress
import json
import os
import pathlib
import re
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30
PARENT_FD, LOG_FD = 3, 4


class Table:
    """ipc.def: message names, numbers and fields."""

    def __init__(self, path=ROOT / "common" / "ipc.def"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        self.by_number, self.by_name = {}, {}
        number = 0
        for match in re.finditer(
                r"IPC_MESSAGE\((\w+),.*?\)\n(.*?)IPC_END\(", text, flags=re.S):
            number += 1
            fields = re.findall(
                r"IPC_FIELD\((\w+), (\w+)(?:, *([^)]*))?\)", match[2])
            self.by_number[number] = (match[1], fields)
            self.by_name[match[1]] = (number, fields)

    def encode(self, message_name, **values):
        number, fields = self.by_name[message_name]
        out = struct.pack(">H", number)
        for kind, name, extra in fields:
            out += _encode(kind, extra, values.pop(name))
        assert not values, values
        return out

    def decode(self, data):
        (number,) = struct.unpack_from(">H", data)
        name, fields = self.by_number[number]
        at, values = 2, {}
        for kind, field, extra in fields:
            values[field], at = _decode(kind, extra, data, at)
        assert at == len(data), name
        return name, values


_NUMBERS = {"u8": ">B", "flag": ">B", "u16": ">H", "u32": ">I", "u64": ">Q"}

_BOUNDS = dict(re.findall(r"#define (\w+) +(\d+)",
                          (ROOT / "common" / "bounds.h").read_text()))


def bound(extra):
    return int(_BOUNDS.get(extra, extra))


def _packed(address):
    if address is None:
        return bytes(17)
    ip = ipaddress.ip_address(address)
    return bytes([ip.version]) + ip.packed.ljust(16, b"\0")


def _packed_endpoint(endpoint):
    address, port = endpoint or (None, 0)
    return _packed(address) + struct.pack(">H", port)


def _encode(kind, extra, value):
    if kind in _NUMBERS:
        return struct.pack(_NUMBERS[kind], value)
    if kind == "bytes":
        assert len(value) == bound(extra)
        return value
    if kind == "uuid":
        return uuid.UUID(value).bytes
    if kind in ("text", "lines"):
        raw = value.encode()
        return struct.pack(">H", len(raw)) + raw
    if kind == "opaque":
        return struct.pack(">H", len(value)) + value
    if kind == "ip":
        return _packed(value)
    if kind == "endpoint":
        return _packed_endpoint(value)
    if kind == "ips":
        return struct.pack(">H", len(value)) + b"".join(map(_packed, value))
    if kind == "paths":
        return struct.pack(">H", len(value)) + b"".join(
            _packed_endpoint(source) + _packed_endpoint(local) + struct.pack(">Q", at)
            for source, local, at in value)
    raise NotImplementedError(kind)


def _address(data, at):
    family, raw = data[at], data[at + 1:at + 17]
    if family == 0:
        return None, at + 17
    return str(ipaddress.ip_address(raw[:4] if family == 4 else raw)), at + 17


def _decode(kind, extra, data, at):
    if kind in _NUMBERS:
        (value,) = struct.unpack_from(_NUMBERS[kind], data, at)
        return value, at + struct.calcsize(_NUMBERS[kind])
    if kind == "bytes":
        return data[at:at + bound(extra)], at + bound(extra)
    if kind == "uuid":
        return str(uuid.UUID(bytes=data[at:at + 16])), at + 16
    if kind in ("text", "lines"):
        (size,) = struct.unpack_from(">H", data, at)
        return data[at + 2:at + 2 + size].decode(), at + 2 + size
    if kind == "ip":
        return _address(data, at)
    if kind == "endpoint":
        address, at = _address(data, at)
        (port,) = struct.unpack_from(">H", data, at)
        return (address, port) if address else None, at + 2
    if kind == "prefix":
        address, at = _address(data, at)
        return f"{address}/{data[at]}" if address else None, at + 1
    if kind == "filters":
        (count,) = struct.unpack_from(">H", data, at)
        return list(struct.iter_unpack(">BHH", data[at + 2:at + 2 + 5 * count])), \
            at + 2 + 5 * count
    if kind == "opaque":
        (size,) = struct.unpack_from(">H", data, at)
        return data[at + 2:at + 2 + size], at + 2 + size
    if kind == "ips":
        (count,) = struct.unpack_from(">H", data, at)
        at += 2
        addresses = []
        for _ in range(count):
            address, at = _address(data, at)
            addresses.append(address)
        return addresses, at
    raise NotImplementedError(kind)


TABLE = Table()


def program():
    default = ROOT / "build" / "parent" / "posternd"
    return os.environ.get("POSTERND", str(default))


# common/counters.h: blocks of engine, threads, shards and meters.
COUNTER_PAGE = (1 + 9 + 8 + 8) * 4096


class ControlWorker:
    """The process, and the ends of its channels that the test holds."""

    def __init__(self, folder, api_url, *, token=".gateway-token", ca="", hosts="",
                 resolv_conf="", external_id="gw-1", name="gateway one",
                 max_partition_ms=86400000, resumed=False, generation=3, no_names=False, spool="",
                 flow_log=False, series=0, ctl=None, names=None, draining=0, probes=(),
                 withdraw=False, metrics_names=False):
        self.health = socket.create_server(("127.0.0.1", 0))
        self.folder = folder
        self.parent, parent_end = self._pair()
        self.log, log_end = self._pair()
        self.net, self.net_end = self._pair()
        self.epoch = secrets.randbits(64) | 1
        self.lines = []
        # High numbers first, lest one of the two takes the place of the other.
        high = [os.dup(fd) for fd in (parent_end.fileno(), log_end.fileno())]
        while min(high) <= LOG_FD:
            high = [os.dup(fd) for fd in high]

        def place():
            os.dup2(high[0], PARENT_FD)
            os.dup2(high[1], LOG_FD)

        self.process = subprocess.Popen(
            [program(), "--role=control-worker", "--log-level=debug"],
            pass_fds=(PARENT_FD, LOG_FD), preexec_fn=place, stdin=subprocess.DEVNULL)
        for fd in high:
            os.close(fd)
        parent_end.close()
        log_end.close()
        self.tell("CONTROL_IDENTITY", api_url=api_url, external_id=external_id, name=name,
                  os="Debian/12", arch="x86_64", kernel="6.1.0",
                  max_partition_ms=max_partition_ms, resumed=resumed,
                  portal_generation=generation, no_names=no_names)
        self.tell("CONTROL_OPTIONS", text=f"api-url {api_url}\n# the token: the variable FIREZONE_TOKEN\n")
        self.tell("CONTROL_TOKEN", token=token, source="the variable FIREZONE_TOKEN")
        self.tell_file("CONTROL_CA_BUNDLE", ca)
        self.tell_file("CONTROL_RESOLV_CONF", resolv_conf)
        self.tell_file("CONTROL_HOSTS", hosts)
        self.tell("CONTROL_PEER", fd=self.net_end.fileno(), epoch=self.epoch)
        self.tell("CONTROL_FLOW_LOGS", spool=str(spool), log=flow_log)
        if series > 0:
            self.tell_counters()
        if probes:
            self.tell("CONTROL_PROBES", interval=1, needed=False, withdraw=withdraw)
            for probe in probes:
                self.tell("CONTROL_PROBE", server=probe)
        if draining > 0:
            self.tell("CONTROL_DRAINING", left=draining)
        if names is not None:
            self.tell("CONTROL_NAMES", fd=names)
        self.tell("CONTROL_HEALTH", fd=self.health.fileno(), series=series,
                  names=metrics_names)
        if ctl is not None:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(ctl))
                listener.listen()
                self.tell("CONTROL_CTL", fd=listener.fileno(), uid=os.getuid(), gid=os.getgid())
        self.tell("CONTROL_START")

    @staticmethod
    def _pair():
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def tell(self, message, fd=None, **values):
        self._send(self.parent, TABLE.encode(message, **values), fd)

    def tell_file(self, message, text):
        path = self.folder / message.lower()
        path.write_text(text)
        with path.open() as file:
            self.tell(message, fd=file.fileno())

    def tell_counters(self):
        """A page on which nothing has been counted."""
        page = os.memfd_create("counters")
        os.truncate(page, COUNTER_PAGE)
        self.tell("CONTROL_COUNTERS", fd=page)
        os.close(page)

    def say(self, message, **values):
        """As net-worker."""
        self.say_raw(TABLE.encode(message, **values))

    def say_raw(self, data, epoch=None):
        self._send(self.net, struct.pack(">Q", epoch or self.epoch) + data, None)

    def new_net_worker(self):
        """As the parent does before it makes one."""
        self.epoch = secrets.randbits(64) | 1
        self.tell("NET_STARTED", epoch=self.epoch)

    @staticmethod
    def _send(channel, data, fd):
        rights = [] if fd is None else [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        channel.sendmsg([data], rights)

    def _drain_log(self):
        with contextlib.suppress(BlockingIOError):
            while data := self.log.recv(4096, socket.MSG_DONTWAIT):
                self.lines.append(data[1:].decode(errors="replace"))

    def _receive(self, channel, patience):
        end = time.monotonic() + patience
        while True:
            ready, _, _ = select.select(
                [channel, self.log], [], [], max(0, end - time.monotonic()))
            if channel in ready:
                data = channel.recv(65536)
                assert data, f"the worker is gone:\n{self.text()}"
                if channel is self.net:
                    (epoch,) = struct.unpack_from(">Q", data)
                    data = data[8:]
                    if epoch != self.epoch:
                        continue
                return TABLE.decode(data)
            if not ready:
                raise TimeoutError(self.text())
            self._drain_log()
            if self.log in ready and self.process.poll() is not None:
                raise AssertionError(f"exit {self.process.returncode}\n{self.text()}")

    def hear(self, patience=PATIENCE):
        """The next message to net-worker."""
        return self._receive(self.net, patience)

    def expect(self, name, patience=PATIENCE):
        got, values = self.hear(patience)
        assert got == name, f"{got} {values}\n{self.text()}"
        return values

    def hear_parent(self, name, patience=PATIENCE):
        """What it says of hosts beside the Internet, before each connection to
        one of ours, comes between."""
        while True:
            got, values = self._receive(self.parent, patience)
            if got != "PRIVATE_HOSTS":
                break
            self.private_hosts.append(values["hosts"])
        assert got == name, f"{got} {values}\n{self.text()}"
        return values

    def quiet(self, seconds=0.3):
        with contextlib.suppress(TimeoutError):
            got = self.hear(seconds)
            raise AssertionError(got)

    def wait_log(self, text, patience=PATIENCE, times=1):
        end = time.monotonic() + patience
        while sum(text in line for line in self.lines) < times:
            assert time.monotonic() < end, f"no {text!r} in\n{self.text()}"
            select.select([self.log], [], [], 0.1)
            self._drain_log()
            assert self.process.poll() is None, self.text()

    def text(self):
        self._drain_log()
        return "\n".join(self.lines)

    def ready(self):
        self.private_hosts = []
        self.egress = self.hear_parent("EGRESS")
        self.tell("EGRESS_OPEN")
        self.hear_parent("CONTROL_READY")
        return self

    def key(self, key=bytes(range(32))):
        self.say("PUBLIC_KEY", public_key=key)
        return self

    def init(self):
        """All messages of one init; returns them and what the parent is told."""
        got = []
        while not got or got[-1][0] != "GRANTS_COMMIT":
            got.append(self.hear())
        return got, self.hear_parent("TUN_CONFIGURE")

    def metrics(self):
        """/metrics, by the name of the series."""
        with socket.create_connection(self.health.getsockname(), PATIENCE) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with s.makefile() as file:
                _, _, body = file.read().partition("\n\n")
        return {name: float(value) for name, _, value in (
            line.rpartition(" ") for line in body.splitlines() if line[0] != "#")}

    def wait_metric(self, name, value, patience=PATIENCE):
        end = time.monotonic() + patience
        while (got := self.metrics().get(name)) != value:
            assert time.monotonic() < end, f"{name} is {got}, not {value}"
            time.sleep(0.05)

    def shut_down(self):
        self.tell("CONTROL_SHUTDOWN")
        assert self.process.wait(PATIENCE) == 0, (self.process.returncode, self.text())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for end in (self.parent, self.log, self.net, self.net_end, self.health):
            end.close()


class Portal:
    """contrib/portal as a process of its own."""

    def __init__(self, folder, extra="", scheme_extra=""):
        self.folder = folder
        self.control = folder / "portal.sock"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "site.toml").write_text(f"""
[portal]
listen = "127.0.0.1:{self.port}"
state_file = "state.json"
control_socket = "portal.sock"
{scheme_extra}
[site]
name = "HQ"
[[gateway_tokens]]
name = "gateways"
token_sha256 = "{_sha256('.gateway-token')}"
[[users]]
name = "jane"
email = "jane@example.org"
token_sha256 = ["{_sha256('jane-token')}"]
[[resources]]
name = "office"
type = "cidr"
address = "10.20.0.0/16"
filters = ["tcp/443", "udp/53", "icmp"]
[[resources]]
name = "intranet"
type = "dns"
address = "**.corp.example"
[[resources]]
type = "internet"
[[policies]]
resource = "office"
users = ["*"]
[[policies]]
resource = "intranet"
users = ["*"]
[[policies]]
resource = "Internet"
users = ["*"]
[[relays]]
name = "relay-1"
ipv4 = "203.0.113.5"
ipv6 = "2001:db8::5"
stamp_secret = "change-me"
{extra}""")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [str(ROOT / "contrib/portal/postern-portal"), "-c",
             str(self.folder / "site.toml")], stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                self.ctl("status")
                return
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.05)

    def ctl(self, cmd, **values):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.control))
            s.sendall(json.dumps({"cmd": cmd, **values}).encode() + b"\n")
            answer = json.loads(s.makefile().readline())
        assert "error" not in answer, answer
        return answer

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)


def _sha256(text):
    import hashlib
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit("run: python3 -m pytest tests/control/test_control_worker.py")
