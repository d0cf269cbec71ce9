"""/metrics of a control-worker: it asks net-worker whose traffic it was, waits for
the answer, and for no longer than anybody would."""

import concurrent.futures
import time
import uuid

import pytest
from control_worker import PATIENCE, ControlWorker
from test_control_worker import INIT, RESOURCE
from test_names import NAMED

URL = "ws://127.0.0.1:9"  # nobody is there
CLIENTS, RESOURCES = 1, 3
CLIENT = str(uuid.UUID(int=7))


@pytest.fixture
def lonely(tmp_path):
    w = ControlWorker(tmp_path, URL, series=2).ready()
    yield w
    print(w.text())
    w.stop()


@pytest.fixture
def worker(lonely):
    lonely.tell("PROCESS_STATUS", process=1, running=True, silent=False, pid=1, uid=1, locks=0, restarts=0,
                started_at=1)
    return lonely


@pytest.fixture
def scrape(worker):
    """Fetches /metrics beside the test."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield lambda: pool.submit(worker.metrics)


def answer(w, query, bytes_to=()):
    for n, moved in enumerate(bytes_to):
        w.say("QUERY_CLIENT", serial=query["serial"], client=str(uuid.UUID(int=7 + n)), v4=None,
              v6=None, resources=1, shard=0, state=0, iceless=False, relayed=False,
              client_relayed=False, local=None, remote=None, has_relay=False,
              relay=str(uuid.UUID(int=0)), handshaken=False, handshake_age=0, received_packets=0,
              received_bytes=0, sent_packets=1, sent_bytes=moved, over_share=0)
    w.say("QUERY_END", serial=query["serial"], more=False, next=0, next_grant=0)


def round_of(w, bytes_to):
    query = w.expect("QUERY")
    assert (query["kind"], query["from"]) == (CLIENTS, 0)
    answer(w, query, bytes_to)
    query = w.expect("QUERY")
    assert query["kind"] == RESOURCES
    answer(w, query)


def series(client, way="to client"):
    return f'postern_per_client_bytes_total{{client="{client}",direction="{way}"}}'


def test_a_scrape_is_answered_when_net_worker_has(worker, scrape):
    got = scrape()
    round_of(worker, [100, 50, 20])
    assert got.result(PATIENCE)[series(CLIENT)] == 0
    got = scrape()  # again as soon as a second is over
    while True:
        if got.done():
            got = scrape()
        try:
            query = worker.hear(0.2)
            break
        except TimeoutError:
            continue
    answer(worker, query[1], [130, 50, 20])
    answer(worker, worker.expect("QUERY"))
    metrics = got.result(PATIENCE)
    assert metrics[series(CLIENT)] == 30
    assert metrics[series("other")] == 0
    assert len([name for name in metrics if "per_client_bytes" in name]) == 6


def test_many_scrapes_are_one_question(worker, scrape):
    got = [scrape() for _ in range(4)]
    query = worker.expect("QUERY")
    worker.quiet()
    answer(worker, query)
    answer(worker, worker.expect("QUERY"))
    for one in got:
        assert "postern_ready" in one.result(PATIENCE)
    worker.quiet()


def test_net_worker_that_does_not_answer(worker, scrape):
    begin = time.monotonic()
    got = scrape()
    worker.expect("QUERY")
    assert series("other") in got.result(PATIENCE)
    assert time.monotonic() - begin < PATIENCE


def test_no_net_worker(lonely):
    assert series("other") in lonely.metrics()
    lonely.quiet()


def test_names_where_they_are_wanted(listener, start):
    named = NAMED | {"client": NAMED["client"] | {"id": CLIENT}}
    for wanted in (True, False):
        w = start(f"ws://127.0.0.1:{listener.port}", series=2, metrics_names=wanted).ready().key()
        w.tell("PROCESS_STATUS", process=1, running=True, silent=False, pid=1, uid=1, locks=0, restarts=0,
               started_at=1)
        c = listener.online()
        c.push("init", INIT)
        w.init()
        c.push("create_authorization", named)
        w.expect("AUTHORIZATION")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            got = pool.submit(w.metrics)
            answer(w, w.expect("QUERY"), [100])
            query = w.expect("QUERY")
            w.say("QUERY_RESOURCE", serial=query["serial"], meter=1, resource=RESOURCE,
                  outbound_packets=0, outbound_bytes=0, inbound_packets=0, inbound_bytes=0)
            answer(w, query)
            metrics = got.result(PATIENCE)
        w.stop()
        c.drop()
        infos = {name for name in metrics if "_info{" in name and "build" not in name}
        assert infos == ({
            f'postern_client_info{{client="{CLIENT}",user="jane@acme.com",system="macOS 15.5"}}',
            f'postern_resource_info{{resource="{RESOURCE}",name="Office"}}'} if wanted else set())
