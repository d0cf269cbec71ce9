"""Flow logs from net-worker to a server that fails in every way: firezone-policy(7), FLOW
LOGS."""

import base64
import json
import os
import pathlib
import pwd
import signal
import subprocess
import time
import uuid
import zlib

import pytest

from control_worker import PATIENCE, ControlWorker
from fake_portal import Listener
from ingest_server import PATH, Answer, IngestServer
from test_control_worker import AUTHORIZATION, INIT, _certificates

ADDRESS = f"127.0.77.{os.getpid() % 250 + 1}"
HOSTS = f"{ADDRESS} ingest.test other.test\n"
SECOND = 10**9
CLIENT, RESOURCE = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
NOW = 1_700_000_000 * SECOND
NET_WORKER = dict(process=1, running=True, silent=False, pid=1, uid=0, locks=0, restarts=0, started_at=1)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the server needs port 443")


def token(authorization, **claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join((part({"alg": "HS256", "typ": "JWT"}), part({
        "account_id": "a", "iat": 1, "exp": int(time.time()) + 86400, "uploads_enabled": True,
        "role": "responder", "initiator_device_id": "d1", "responder_device_id": "d2",
        "policy_authorization_id": authorization, "policy_id": "p", "resource_id": "r",
        "resource_name": "The office", "initiator_actor_id": "i",
        "initiator_actor_name": "Jane", "authorized_at": "2026-01-01T00:00:00Z",
        "authorization_expires_at": "2026-02-01T00:00:00Z", **claims}), "c2ln"))


class Site:
    """A portal, a server for flow logs, a spool, and a control-worker at a time."""

    def __init__(self, folder, address=ADDRESS):
        self.folder = folder
        self.api_url = "https://ingest.test/base"
        _, self.ca = _certificates(
            folder, f"DNS:ingest.test,DNS:other.test,IP:{address}")
        self.server = IngestServer(address, folder / "portal.pem", folder / "portal.key")
        self.listener = Listener()
        self.spool = folder / "flow_logs"
        self.spool.mkdir()
        self.give()
        self.serial = 0
        self.worker = self.connection = None

    def give(self):
        """As the parent does."""
        os.chown(self.spool, pwd.getpwnam("_posternctl").pw_uid, 0)
        os.chmod(self.spool, 0o710)

    def start(self, **options):
        self.worker = ControlWorker(
            self.folder, f"ws://127.0.0.1:{self.listener.port}", ca=self.ca, hosts=HOSTS,
            **{"spool": self.spool, **options}).ready()
        return self.worker

    def online(self, interval=1, batch=1000, **options):
        w = self.start(**options).key()
        self.connection = self.listener.online()
        self.init(interval, batch)
        return w

    def init(self, interval, batch=1000, **more):
        self.connection.push("init", {**INIT, "flow_logs": {
            "api_url": self.api_url, "upload_interval_secs": interval,
            "upload_batch_size": batch}, **more})
        messages, _ = self.worker.init()
        self.settings = dict(messages)["FLOW_SETTINGS"]

    def authorize(self, authorization=None, **claims):
        """What net-worker is told to call the flows of the authorization."""
        authorization = authorization or str(uuid.uuid4())
        self.push_token(token(authorization, **claims))
        got = self.worker.expect("AUTHORIZATION")["flow_authorization"]
        assert got == authorization
        return authorization

    def push_token(self, text):
        self.connection.push("create_authorization",
                             {**AUTHORIZATION, "flow_logs_ingest_token": text})

    def report(self, authorization, n, closed=True, serial=None):
        if serial is None:
            self.serial += 1
        start = NOW + n * SECOND
        self.worker.say(
            "FLOW", serial=serial or self.serial, closed=closed, authorization=authorization,
            client=CLIENT, resource=RESOURCE,
            protocol=6 if n % 2 else 17, source=("100.64.0.1", 1024 + n % 60000),
            destination=("10.0.0.5", 443), domain="", started_at=start,
            ended_at=start + SECOND if closed else 0, last_packet_at=start + 1,
            tx_packets=n, tx_bytes=2, rx_packets=3, rx_bytes=4,
            paths=[(("198.51.100.7", 40000), ("192.0.2.1", 52625), start)])

    def stored(self):
        """Waits until all that has been told is on disk."""
        while self.worker.expect("FLOW_STORED")["serial"] != self.serial:
            pass

    def waiting(self):
        """The names of the reports in the spool, in the order of age."""
        there = [path.name for path in self.spool.glob("*/*/*.json")]
        for path in self.spool.glob("*/*/*.reports"):
            try:
                text = path.read_text()
            except FileNotFoundError:  # all of it has just been taken
                continue
            names = {}
            for line in text.split("\n")[:-1]:
                name, _, payload = (line + "  ").split(" ", 2)
                if payload.strip():
                    names[name] = None
                else:
                    names.pop(name, None)
            there += names
        return sorted(name for name in there
                      if name.replace(".start", ".end") not in there or ".end" in name)

    def wait_empty(self, patience=15):
        end = time.monotonic() + patience
        while self.waiting():
            assert time.monotonic() < end, (self.waiting()[:3], self.server.posts[-10:],
                                            self.worker.text()[-2000:])
            time.sleep(0.02)

    def each_once(self, n):
        assert len(self.server.stored) == n
        assert set(self.server.stored.values()) <= {1}, self.server.stored

    def statuses(self):
        return [post[0] for post in self.server.posts]

    def close(self):
        if self.worker:
            print(self.worker.text())
            self.worker.stop()
        self.listener.close()
        self.server.close()


@pytest.fixture
def site(tmp_path):
    s = Site(tmp_path)
    yield s
    s.close()


def test_from_a_report_to_the_server(site):
    w = site.online(interval=1)
    assert site.settings == {"enabled": True}
    a = site.authorize()
    site.report(a, 1, closed=False)
    site.report(a, 2)
    site.stored()
    site.server.wait_for(lambda s: len(s.stored) == 2)
    assert site.server.posts[0][1:3] == ("ingest.test", PATH)
    site.report(a, 1)
    site.wait_empty()
    site.each_once(3)
    w.wait_metric("postern_flow_uploaded_total", 3)
    assert w.metrics()["postern_flow_spool_bytes"] > 0
    assert w.metrics()["postern_flow_spool_limit_bytes"] == 1 << 28
    assert w.metrics()["postern_flow_dropped_total"] == 0
    assert w.metrics()["postern_portal_connections_total"] == 1
    ends = [r for r in site.server.reports if "flow_end" in r]
    assert ends[-1] == {
        "flow_start": "2023-11-14T22:13:21Z", "flow_end": "2023-11-14T22:13:22Z",
        "last_packet": "2023-11-14T22:13:21.000000001Z", "protocol": "tcp",
        "inner_src_ip": "100.64.0.1", "inner_src_port": 1025, "inner_dst_ip": "10.0.0.5",
        "inner_dst_port": 443, "rx_packets": 3, "tx_packets": 1, "rx_bytes": 4, "tx_bytes": 2,
        "outers": [{"src_ip": "198.51.100.7", "src_port": 40000, "dst_ip": "192.0.2.1",
                    "dst_port": 52625, "path_activated_at": "2023-11-14T22:13:21Z"}]}
    assert (site.spool / "responder" / a / "token").exists()
    assert (site.spool / "upload.json").exists()
    # One connection serves them all.
    assert len({post[4] for post in site.server.posts}) == 1
    site.init(0)
    assert site.settings == {"enabled": False}
    assert not (site.spool / "upload.json").exists()
    w.shut_down()


@pytest.mark.parametrize("address,url,host", [
    (ADDRESS, f"https://{ADDRESS}", ADDRESS), (ADDRESS, f"https://{ADDRESS}.:443/", ADDRESS),
    ("::1", "https://[::1]/", "[::1]"), ("::1", "https://[0::1]:443", "[::1]"),
    (ADDRESS, "HTTPS://Ingest%2Etest.:/", "ingest.test")])
def test_forms_of_the_url(tmp_path, address, url, host):
    site = Site(tmp_path, address)
    try:
        site.api_url = url
        w = site.online(interval=1)
        site.report(site.authorize(), 1)
        site.server.wait_for(lambda s: len(s.stored) == 1)
        assert site.server.posts[0][1:3] == (host, PATH)
        w.shut_down()
    finally:
        site.close()


def test_no_usable_token_no_flows(site):
    w = site.online()
    zero = str(uuid.UUID(int=0))
    a = str(uuid.uuid4())
    bad = [None, 7, "", "x", "a.b.c", token(a).rpartition(".")[0],
           token("../../../../../../../../../etc/passwd"), token(a, role="gateway")]
    for text in bad:
        site.push_token(text)
        assert w.expect("AUTHORIZATION")["flow_authorization"] == zero, text
    site.connection.push("create_authorization", AUTHORIZATION)
    assert w.expect("AUTHORIZATION")["flow_authorization"] == zero
    # Followed for our own log alone, so not kept.
    a = site.authorize(uploads_enabled=False)
    site.report(a, 1)
    site.report(str(uuid.uuid4()), 1)
    site.stored()
    assert not site.waiting() and not (site.spool / "responder").exists()
    w.shut_down()


def test_every_refusal(site):
    """Nothing is lost and nothing taken twice, whatever the server says first."""
    site.server.limit = 3
    site.server.plan = [
        Answer(500), Answer(503), Answer(408), Answer(429, {"Retry-After": "1"}),
        Answer(429), Answer(401), Answer(403), Answer(404), Answer(422, body=b"\xff\0no"),
        Answer(400), Answer(303, {"Location": "/x"}), Answer(304),
        Answer(close=True), Answer(307, {"Location": "/elsewhere"}), Answer(500),
        Answer(308, {"Location": f"https://other.test{PATH}"}),
        Answer(302, {"Location": "http://other.test/"}),
        Answer(301, {"Location": "https://other.test:8443/"}), Answer(302)]
    site.online(interval=1)
    a, b = site.authorize(), site.authorize()
    for n in range(10):
        site.report(a, n)
        site.report(b, 100 + n)
    site.stored()
    site.wait_empty(60)
    site.each_once(20)
    assert not site.server.plan
    paths = [post[2] for post in site.server.posts]
    assert "/elsewhere" in paths
    assert ("other.test", PATH) in [post[1:3] for post in site.server.posts]
    assert max(post[3] for post in site.server.posts if post[0] == 200) == 3
    assert 413 in site.statuses()
    # The token is in none of it.
    assert "eyJ" not in site.worker.text()
    site.worker.shut_down()


def test_redirects_have_an_end(site):
    site.server.plan = [Answer(307, {"Location": f"/{n}"}) for n in range(6)]
    w = site.online(interval=3600)
    a = site.authorize()
    site.report(a, 1)
    site.stored()
    site.init(3601)
    w.wait_log("too many of them")
    assert [post[2] for post in site.server.posts] == [
        PATH, *(f"/{n}" for n in range(5))]
    w.shut_down()


def test_redirects_are_counted_in_the_whole_pass(site):
    """Refused once, they are not followed for the next authorization either."""
    site.server.plan = [Answer(307, {"Location": f"/{n}"}) for n in range(12)]
    w = site.online(interval=3600)
    for n, a in enumerate([site.authorize() for _ in range(3)]):
        site.report(a, n)
    site.stored()
    site.init(3601)
    end = time.monotonic() + PATIENCE
    while w.text().count("too many of them") < 3:
        assert time.monotonic() < end, w.text()
        time.sleep(0.02)
    assert len(site.server.posts) == 5 + 3
    w.shut_down()


def test_what_is_refused_is_no_backlog(site):
    """A server that takes nothing is asked once in an interval, not once a second."""
    site.server.plan = [Answer(401)] * 2
    w = site.online(interval=3600, batch=1)
    a = site.authorize()
    for n in range(3):
        site.report(a, n)
    site.stored()
    site.init(4, batch=1)
    site.server.wait_for(lambda s: len(s.posts) == 1)
    begun = time.monotonic()
    site.server.wait_for(lambda s: len(s.posts) == 2)
    assert time.monotonic() - begun > 3
    site.wait_empty()
    w.shut_down()


def test_a_server_that_does_not_answer(site):
    site.server.plan = [Answer(hang=True)]
    site.online(interval=1)
    a = site.authorize()
    site.report(a, 1)
    site.stored()
    site.wait_empty(60)
    site.each_once(1)
    site.worker.shut_down()


def test_batches_and_a_backlog(site):
    site.online(interval=3600, batch=4)
    a = site.authorize()
    for n in range(10):
        site.report(a, n)
    site.stored()
    site.init(3601, batch=4)
    site.wait_empty()
    site.each_once(10)
    assert [post[3] for post in site.server.posts] == [4, 4, 2]
    starts = [r["flow_start"] for r in site.server.reports]
    assert starts == sorted(starts)
    site.worker.shut_down()


def test_many_reports_are_few_files(site):
    """And a part of them taken is no part of them told again to the next process."""
    w = site.online(interval=3600, batch=150)
    a = site.authorize()
    for n in range(600):
        site.report(a, n)
    site.stored()
    files = [path for path in site.spool.glob("responder/*/*") if path.name != "token"]
    assert len(files) < 5
    assert sum(path.stat().st_size for path in files) < 600 * 600
    site.server.plan = [Answer(200), Answer(200), Answer(close=True)] + [Answer(401)] * 50
    site.init(3601, batch=150)
    site.server.wait_for(lambda s: len(s.posts) >= 4)
    w.process.send_signal(signal.SIGKILL)
    w.stop()
    assert len(site.waiting()) == 300
    site.server.plan = []
    w = site.online(interval=3601, batch=150)
    site.wait_empty()
    # The server has only pretended to take the first 300.
    site.each_once(300)
    assert not [path for path in site.spool.glob("responder/*/*") if path.name != "token"]
    w.shut_down()


def test_one_that_is_too_large_stays(site):
    site.server.limit = 0
    w = site.online(interval=3600)
    a = site.authorize()
    site.report(a, 1)
    site.report(a, 2)
    site.stored()
    site.init(3601)
    site.server.wait_for(lambda s: [post[3] for post in s.posts] == [2, 1, 1])
    w.wait_log("1 reports are kept: HTTP status 413")
    assert len(site.waiting()) == 2
    w.shut_down()


def test_killed_at_any_time(site):
    """The next process finds what the killed one was told, and goes on."""
    site.server.plan = [Answer(503)] * 3
    w = site.online(interval=1)
    a = site.authorize()
    total = 600
    for n in range(total):
        if n % 150 == 100:
            # What was not acknowledged is told again, as net-worker does.
            known = 0
            site.serial = n
            for _ in range(3):
                try:
                    known = w.expect("FLOW_STORED", 0.2)["serial"]
                except TimeoutError:
                    break
            w.process.send_signal(signal.SIGKILL)
            w.stop()
            site.connection = None
            w = site.online(interval=1)
            for old in range(known, n):
                site.report(a, old, serial=old + 1)
        site.report(a, n, serial=n + 1)
    site.serial = total
    site.stored()
    site.wait_empty(30)
    assert len(site.server.stored) == total
    # A POST whose answer died with the process is the only reason for a second one.
    twice = [n for n in site.server.stored.values() if n > 1]
    assert not [n for n in twice if n > 4] and len(twice) < total
    w.shut_down()


def test_a_restart_with_the_server_away(site):
    site.server.close()
    w = site.online(interval=1)
    a = site.authorize()
    for n in range(50):
        site.report(a, n, closed=n % 3 > 0)
    site.stored()
    w.wait_log("no connection to ingest.test")
    w.shut_down()
    assert len(site.waiting()) == 50
    site.server.start()
    # Before the portal has said a word.
    w = site.start()
    site.wait_empty()
    site.each_once(50)
    w.key()
    site.connection = site.listener.online()
    site.init(1)
    w.shut_down()


def test_a_spool_of_files_of_one_report(site):
    """As a gateway of before left it: all is uploaded, and new reports beside it."""
    w = site.online(interval=0, flow_log=True)
    a = site.authorize()
    w.shut_down()
    folder = site.spool / "responder" / a
    for n in range(20):
        payload = json.dumps({
            "flow_start": f"2023-11-14T22:13:{n:02}Z", "inner_dst_ip": "10.0.0.5",
            "inner_dst_port": 443, "inner_src_ip": "100.64.0.1", "inner_src_port": n,
            "outers": [], "protocol": "tcp"}, separators=(",", ":"))
        for kind in ("start", "end")[n % 2:]:
            path = folder / f"{1700000000 + n}-{n:016x}.{kind}.json"
            path.write_text(
                f'{{"checksum":{zlib.crc32(payload.encode())},"payload":{payload}}}')
            os.chown(path, pwd.getpwnam("_posternctl").pw_uid, 0)
    w = site.online(interval=0, flow_log=True)
    for n in range(100, 110):
        site.report(a, n)
    site.stored()
    assert len(site.waiting()) == 30
    site.init(3600)
    site.wait_empty()
    site.each_once(30)
    assert not list(folder.glob("*.*"))
    w.shut_down()


def test_the_end_is_flushed(site):
    w = site.online(interval=3600)
    w.tell("PROCESS_STATUS", **NET_WORKER)
    a = site.authorize()
    site.report(a, 1, closed=False)
    site.report(a, 1)
    w.tell("CONTROL_SHUTDOWN")
    site.report(a, 2)
    site.stored()
    w.tell("PROCESS_STATUS", **{**NET_WORKER, "running": False})
    assert w.process.wait(PATIENCE) == 0
    assert not site.waiting()
    site.each_once(2)


def test_the_end_waits_for_net_worker_but_not_for_the_server(site):
    w = site.online(interval=3600)
    w.tell("PROCESS_STATUS", **NET_WORKER)
    a = site.authorize()
    site.server.plan = [Answer(hang=True)]
    begun = time.monotonic()
    w.tell("CONTROL_SHUTDOWN")
    site.report(a, 1)
    site.stored()
    w.tell("PROCESS_STATUS", **{**NET_WORKER, "running": False})
    assert w.process.wait(PATIENCE) == 0
    assert 0.5 < time.monotonic() - begun < 2
    assert len(site.waiting()) == 1


def test_lines_of_the_log(site):
    w = site.online(interval=0, flow_log=True)
    assert site.settings == {"enabled": True}
    a = site.authorize(uploads_enabled=False)
    site.report(a, 1, closed=False)
    site.report(a, 1)
    site.report(a, 2)
    site.report(a, 2, closed=False)
    for text in ("TCP flow started: ", "TCP flow completed: ", "UDP flow started: ",
                 "UDP flow completed: "):
        w.wait_log(text)
    line = next(line for line in w.lines if "TCP flow completed" in line)
    assert "inner_src_port=1025" in line and f"policy_authorization_id={a}" in line
    assert 'resource_name="The office"' in line
    assert not site.waiting()
    w.shut_down()


def test_attribution_after_a_restart(site):
    w = site.online(interval=3600, flow_log=True)
    a = site.authorize()
    w.process.send_signal(signal.SIGKILL)
    w.stop()
    w = site.online(interval=3600, flow_log=True)
    site.report(a, 1)
    w.wait_log(f"policy_authorization_id={a}")
    w.shut_down()


def test_a_full_disk(site):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", site.spool], check=True)
    try:
        site.give()
        w = site.online(interval=3600)
        a = site.authorize()
        for n in range(1500):
            site.report(a, n)
        site.stored()
        kept = len(site.waiting())
        assert 0 < kept < 1500
        w.wait_log("a report was dropped: No space left on device (1 so far)")
        assert sum("a report was dropped" in line for line in w.lines) == 2
        site.init(3601)
        site.wait_empty()
        site.each_once(kept)
        site.report(a, 5000)
        site.stored()
        assert len(site.waiting()) == 1
        w.shut_down()
    finally:
        subprocess.run(["umount", "-l", site.spool], check=True)


@pytest.mark.parametrize("spool", ["", "/nonexistent/flow_logs"])
def test_without_a_spool(site, spool):
    w = site.online(interval=1, spool=spool)
    assert site.settings == {"enabled": False}
    a = site.authorize()
    site.report(a, 1)
    site.stored()
    if spool:
        w.wait_log("the spool /nonexistent/flow_logs cannot be used")
    w.shut_down()


def test_an_untrusted_server(site):
    _, other = _certificates(pathlib.Path(site.folder), "DNS:ingest.test")
    site.ca = other
    w = site.online(interval=1)
    a = site.authorize()
    site.report(a, 1)
    w.wait_log("no connection to ingest.test")
    assert len(site.waiting()) == 1 and not site.server.posts
    w.shut_down()
