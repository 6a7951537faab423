"""Observers from outside: each member of etcd, each API server and Rancher's page, asked by clients of their own.

They know nothing of cowhand: what they write down is what a story is judged by."""
import contextlib
import http.client
import json
import ssl
import threading
import time


def trust(s, folder):
    """A client of the cluster's own, from the state of before: its certificates stay valid when others are made."""
    state = json.loads((folder / "cluster.rkestate").read_text())
    bundle = state["currentState"]["certificatesBundle"]
    place = s.work / "watching"
    place.mkdir(mode=0o700, exist_ok=True)
    for name, text in (("ca", bundle["kube-ca"]["certificatePEM"]), ("cert", bundle["kube-admin"]["certificatePEM"]), ("key", bundle["kube-admin"]["keyPEM"])):
        (place / name).touch(mode=0o600)
        (place / name).write_text(text)
    context = ssl.create_default_context(cafile=place / "ca")
    context.check_hostname = False
    context.load_cert_chain(place / "cert", place / "key")
    return context


def ask(address, port, context, method, path, body=None, limit=3, host=None):
    connection = http.client.HTTPSConnection(address, port, context=context, timeout=limit)
    try:
        connection.request(method, path, body=body, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise OSError(f"{answer.status} {text[:100]!r}")
        return text
    finally:
        connection.close()


class Watched:
    """One place that is asked again and again; when it was away, from its last good answer to its next one."""

    def __init__(self, name, question, pause):
        self.name, self.question, self.pause = name, question, pause
        self.asked, self.failed, self.away, self.last = 0, [], [], time.monotonic()
        self.since = None

    def once(self):
        try:
            self.question()
        except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
            self.failed.append(f"{self.name}: {error}")
            self.since = self.since or self.last
        else:
            now = time.monotonic()
            if self.since is not None:
                self.away.append((self.since, now))
            self.since, self.last = None, now
        self.asked += 1

    def end(self):
        if self.since is not None:
            self.away.append((self.since, time.monotonic()))


class Observer:
    """Asks all of them side by side while the story goes on."""

    def __init__(self, s, folder, page="rancher.lab.test"):
        context = trust(s, folder)
        loose = ssl._create_unverified_context()  # noqa: SLF001
        self.over = threading.Event()
        # A status is given by the member alone, and only once it takes part again: it opens its port for clients last.
        self.indexes = {}
        self.etcd = [Watched(name, lambda a=address, n=name: self._etcd(n, a, context), 0.15) for name, address in s.nodes.items()]
        self.reads = [Watched("etcd's reads", lambda: self._first(s, lambda a: ask(a, 2379, context, "GET", "/health")), 0.1)]
        # Whether the process serves; /readyz also says no while etcd chooses a leader, on all of them at once.
        self.apis = [Watched(name, lambda a=address: ask(a, 6443, context, "GET", "/version"), 0.15) for name, address in s.nodes.items()]
        self.objects = [Watched("the API's reads", lambda: self._first(s, lambda a: ask(a, 6443, context, "GET", "/api/v1/namespaces/kube-system")), 0.1)]
        self.page = [Watched("the page", lambda: self._first(s, lambda a: self._ping(a, loose, page)), 0.08)]

    def _etcd(self, name, address, context):
        said = json.loads(ask(address, 2379, context, "POST", "/v3/maintenance/status", body="{}"))
        if said.get("errors") or said.get("isLearner"):
            raise ValueError(f"{said.get('errors')}")
        self.indexes[name] = int(said["raftAppliedIndex"])
        # Far behind the others is not in sync. They are asked one after the other, so a little behind is usual.
        if self.indexes[name] + 1000 < max(self.indexes.values()):
            raise ValueError(f"{name} is at {self.indexes[name]} of {max(self.indexes.values())}")

    @staticmethod
    def _ping(address, context, page):
        if ask(address, 443, context, "GET", "/ping", host=page, limit=2) != b"pong":
            raise ValueError("no pong")

    @staticmethod
    def _first(s, question):
        """As a balancer does it: whoever does not answer is left out for the next one."""
        last = None
        for address in s.nodes.values():
            try:
                return question(address)
            except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
                last = error
        raise last

    def _watch(self, watched):
        while not self.over.is_set():
            watched.once()
            time.sleep(watched.pause)
        watched.end()

    @property
    def all(self):
        return [*self.etcd, *self.reads, *self.apis, *self.objects, *self.page]

    def __enter__(self):
        self.threads = [threading.Thread(target=self._watch, args=(watched,), daemon=True) for watched in self.all]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=15)


def fewest(watched):
    """The lowest number of them that were there at one time, and for how long at the most."""
    moments = sorted({moment for one in watched for span in one.away for moment in span})
    lowest, longest = len(watched), 0.0
    for begin, end in zip(moments, moments[1:]):
        there = sum(not any(a <= begin and end <= b for a, b in one.away) for one in watched)
        if there < lowest:
            lowest, longest = there, 0.0
        if there == lowest:
            longest = max(longest, end - begin)
    return lowest, longest


def longest(watched):
    return max([end - begin for one in watched for begin, end in one.away], default=0.0)


def told(observer):
    voters, at_once = fewest(observer.etcd)
    servers, _ = fewest(observer.apis)
    places = (("etcd", observer.reads), ("API", observer.objects), ("page", observer.page), ("one API server", observer.apis))
    gaps = ", ".join(f"{name} {longest(watched):.2f} s" for name, watched in places)
    asked = sum(one.asked for one in observer.all)
    return (f"lowest in sync: {voters} of {len(observer.etcd)} voters (for {at_once:.1f} s at the most), lowest there: {servers} of {len(observer.apis)} API servers; "
            f"longest without an answer: {gaps}; {asked} questions")


@contextlib.contextmanager
def observed(s, folder, settle=3):
    with Observer(s, folder) as observer:
        time.sleep(settle)
        assert all(one.asked and not one.failed for one in observer.all), [one.failed[:2] for one in observer.all]
        yield observer
        time.sleep(settle)
