"""Clients that ask all the time while something is done to the cluster, and the longest gap that they saw. No story of its own."""
import socket
import ssl
import threading
import time
import urllib.request
from pathlib import Path

from .company import NAME

# No fault of these stories may keep a client waiting longer (seconds); where a node hangs, Kubernetes itself takes 40 s to notice.
LONGEST, LONGEST_WHERE_A_NODE_HANGS = 60, 120


class Client:
    """Asks on each way (name -> what raises when the answer is wrong), each by itself, until the end."""

    def __init__(self, ways, pause=0.05):
        self.ways, self.pause, self.over = ways, pause, threading.Event()
        self.answers, self.failures = {name: [] for name in ways}, {name: [] for name in ways}
        self.threads = [threading.Thread(target=self._ask, args=(name, ask), daemon=True) for name, ask in ways.items()]

    def __enter__(self):
        self.began, self.ended = time.monotonic(), None
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.ended = time.monotonic()
        for thread in self.threads:
            thread.join(30)

    def _ask(self, name, ask):
        while not self.over.is_set():
            try:
                ask()
                self.answers[name].append(time.monotonic())
            except Exception as error:
                self.failures[name].append(str(error) or type(error).__name__)
            self.over.wait(self.pause)

    def since(self, moment):
        """How many answers the worst way got after that moment."""
        return min(sum(1 for answer in answers if answer > moment) for answers in self.answers.values())

    def asked(self):
        return sum(len(self.answers[name]) + len(self.failures[name]) for name in self.ways)

    def failed(self):
        return [f"{name}: {error}" for name, errors in self.failures.items() for error in errors]

    def gap(self, name):
        """The longest time without an answer; the beginning and the end count too, or one that is never answered would see none."""
        times = [self.began, *self.answers[name], self.ended or time.monotonic()]
        return max(after - before for before, after in zip(times, times[1:]))

    def within(self, limit):
        """Each way's longest gap, none above the limit."""
        assert all(len(answers) > 5 for answers in self.answers.values()), {name: len(answers) for name, answers in self.answers.items()}
        gaps = {name: self.gap(name) for name in self.ways}
        for name, gap in gaps.items():
            assert gap <= limit, f"{name}: no answer for {gap:.1f} s, {limit} are allowed; it met {sorted(set(self.failures[name]))[:5]}"
        return gaps


# --- what is asked: each gives a function that raises when it is not answered as it must be

def ping(address, roots):
    """Over a new TLS connection to this address, trusting these roots alone."""
    trust = ssl.create_default_context(cadata="".join(Path(root).read_text() for root in roots))

    def ask():
        with socket.create_connection((address, 443), timeout=3) as plain:
            plain.settimeout(3)
            with trust.wrap_socket(plain, server_hostname=NAME) as tls:
                tls.sendall(f"GET /ping HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while part := tls.recv(4096):
                    answer += part
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"pong"), answer[:60]
    return ask


def ping_of_several(s, addresses, ca):
    """curl, as a client that DNS gave several addresses: it tries them in turn, each with its share of the time to connect."""
    order = list(addresses)

    def ask():
        # What a name server does with several addresses: the first one goes to the end.
        order.append(order.pop(0))
        done = s.run("curl", "-sS", "--fail", "-o", "/dev/null", "--connect-timeout", "6", "--max-time", "15", "--cacert", ca,
                     "--resolve", f"{NAME}:443:{','.join(order)}", f"https://{NAME}/ping")
        assert done.code == 0, f"curl {done.code}"
    return ask


def health(address, host):
    """A web server behind the ingress that answers /health with OK."""
    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask():
        with plain.open(urllib.request.Request(f"http://{address}/health", headers={"Host": host}), timeout=10) as answer:
            said = answer.read()
            assert answer.status == 200 and said == b"OK", said[:60]
    return ask
