"""A server that takes flow logs, and fails in every way when it is told to.

As a program: ingest_server.py ADDRESS CERTIFICATE KEY, prints a line of JSON for
each report that it stores.
"""

import http.server
import json
import socket
import socketserver
import ssl
import sys
import threading
import time

PORT = 443
PATH = "/ingestion/flow_logs"
START = {"protocol": str, "inner_src_ip": str, "inner_src_port": int, "inner_dst_ip": str,
         "inner_dst_port": int, "outers": list, "flow_start": str}
END = {"flow_end": str, "last_packet": str, "rx_packets": int, "tx_packets": int,
       "rx_bytes": int, "tx_bytes": int}
OUTER = {"dst_ip": str, "dst_port": int, "path_activated_at": str}


def _has(report, fields):
    return all(isinstance(report.get(name), kind) for name, kind in fields.items())


def problem(report):
    """What a strict server would say of it; None: nothing."""
    if not isinstance(report, dict) or not _has(report, START):
        return "a field is missing"
    if report["protocol"] not in ("tcp", "udp"):
        return "protocol"
    closed = "flow_end" in report
    if closed and not (_has(report, END) and report["outers"]):
        return "an end without outers or counters"
    for outer in report["outers"]:
        if not _has(outer, OUTER) or ("src_ip" in outer) != ("src_port" in outer):
            return "outers"
    unknown = set(report) - set(START) - set(END) - {"domain"}
    return f"unknown {unknown}" if unknown else None


def identity(report):
    return tuple(report[name] for name in (
        "flow_start", "protocol", "inner_src_ip", "inner_src_port", "inner_dst_ip",
        "inner_dst_port")) + ("flow_end" in report,)


class Answer:
    """What to do with one POST: a status with headers, or something worse."""

    def __init__(self, status=200, headers=(), body=b"", *, close=False, hang=False,
                 limit=None):
        self.status, self.headers, self.body = status, dict(headers), body
        self.close, self.hang, self.limit = close, hang, limit


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = owner.judge(self.path, self.headers, body, self.client_address,
                             self.headers["Host"])
        if answer.hang:
            owner.released.wait(60)
        if answer.hang or answer.close:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self):
        # Without asking for the name of the address, as HTTPServer does.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass

    def shutdown_request(self, request):
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.close_request(request)


class IngestServer:
    def __init__(self, address, certificate, key, on_stored=None):
        self.address = address
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.on_stored = on_stored
        self.plan = []       # answers to come; then all is well
        self.limit = None    # reports of one POST, more is too much
        self.posts = []      # (status, host, path, count, peer)
        self.stored = {}     # by identity: how often it was taken
        self.reports = []
        self.tokens = set()  # those known; empty: any
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.start()

    def start(self):
        kind = type("_Server6", (_Server,), {"address_family": socket.AF_INET6}) \
            if ":" in self.address else _Server
        self.server = kind((self.address, PORT), _Handler, bind_and_activate=False)
        self.server.owner = self
        self.server.server_bind()
        self.server.server_activate()
        self.server.socket = self.context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,),
                                       daemon=True)
        self.thread.start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def judge(self, path, headers, body, peer, host):
        with self.lock:
            answer = self._judge(path, headers, body)
            count = body.count(b'"flow_start"')
            self.posts.append((answer.status if not answer.close else None, host, path,
                               count, peer))
        return answer

    def _judge(self, path, headers, body):
        if self.plan:
            answer = self.plan.pop(0)
            if answer.limit is None:
                return answer
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if not token or self.tokens and token not in self.tokens:
            return Answer(401, body=b"unauthorized")
        if headers.get("Content-Type") != "application/json":
            return Answer(400)
        reports = json.loads(body)["flow_logs"]
        if self.limit is not None and len(reports) > self.limit:
            return Answer(413)
        wrong = {i: problem(r) for i, r in enumerate(reports) if problem(r)}
        if wrong:
            return Answer(422, body=json.dumps({"validation_errors": wrong}).encode())
        for report in reports:
            key = identity(report)
            self.stored[key] = self.stored.get(key, 0) + 1
            self.reports.append(report)
            if self.on_stored:
                self.on_stored(report)
        return Answer(200, body=b'{"data":{"status":"ok"}}')

    def wait_for(self, condition, patience=15):
        end = time.monotonic() + patience
        while True:
            with self.lock:
                if condition(self):
                    return
                state = (self.posts[-20:], len(self.stored), self.plan)
            assert time.monotonic() < end, state
            time.sleep(0.02)


def main():
    address, certificate, key = sys.argv[1:]
    IngestServer(address, certificate, key,
                 lambda report: print(json.dumps(report), flush=True))
    threading.Event().wait()


if __name__ == "__main__":
    main()
