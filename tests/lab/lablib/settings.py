"""What a lab is called and where its things lie: the parameters and everything that follows from them."""
import fcntl
import ipaddress
import os
import re
import zlib
from contextlib import contextmanager
from pathlib import Path

from .shell import Fail

here = Path(__file__).resolve().parent.parent
user = "rancher"
domain = "lab.test"
first_subnet = "172.31.77.0/24"


class Lab:
    """One lab: its name, its network, its folders. Two labs share the cache and the engine and nothing else."""

    def __init__(self, name=None, subnet=None):
        self.name = name or os.environ.get("LAB_NAME") or "lab"
        if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", self.name):
            raise Fail(f"`{self.name}` cannot be the name of a lab", "up to 12 letters and digits, a letter first: LAB_NAME=mine")
        self.cache = cache_root()
        self.run = self.cache / "run" / self.name
        self.network = ipaddress.ip_network(self._subnet(subnet))
        if self.network.prefixlen > 24 or self.network.version != 4:
            raise Fail(f"the network {self.network} is too small", "an IPv4 network of at least 256 addresses: LAB_SUBNET=172.31.80.0/24")

    def _subnet(self, given):
        """Given, or the one this lab already runs on, or the usual one; another name gets another network by itself."""
        kept = self.run / "subnet"
        runs_on = kept.read_text().strip() if (self.run / "done").exists() else None
        given = given or os.environ.get("LAB_SUBNET") or runs_on
        if runs_on and given != runs_on:
            raise Fail(f"the lab `{self.name}` runs on {runs_on}, not on {given}", "LAB_SUBNET= tests/lab/lab down, or another LAB_NAME")
        if given:
            try:
                return str(ipaddress.ip_network(given))
            except ValueError as error:
                raise Fail(f"`{given}` is no network: {error}", "LAB_SUBNET=172.31.80.0/24")
        return first_subnet if self.name == "lab" else f"172.31.{100 + zlib.crc32(self.name.encode()) % 100}.0/24"

    def address(self, last):
        return str(self.network.network_address + last)

    @property
    def gateway(self):
        return self.address(1)

    @property
    def nodes(self):
        """name -> address of the three machines"""
        return {f"{self.name}{n}": self.address(10 + n) for n in (1, 2, 3)}

    @property
    def jump(self):
        return {f"{self.name}jump": self.address(10)}

    @property
    def balancers(self):
        """number -> address of the two machines that may stand in front of the nodes"""
        return {"1": self.address(5), "2": self.address(6)}

    @property
    def floating(self):
        """an address that none of them has as its own"""
        return self.address(7)

    @property
    def machines(self):
        return {**self.nodes, **self.jump}

    @property
    def bridge(self):
        """the interface's name on the outer machine, at most 15 letters"""
        return f"cw-{self.name}"

    @contextmanager
    def alone(self):
        """Only one command at a time changes a lab."""
        with locked(self.cache / "locks" / f"lab-{self.name}", f"another command is at work on the lab `{self.name}`"):
            yield


def cache_root():
    given = os.environ.get("COWHAND_LAB_CACHE")
    root = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cowhand-lab"
    root = root.absolute()
    if len(str(root)) > 60:
        raise Fail(f"the cache folder {root} has too long a name for the sockets that lie in it", "COWHAND_LAB_CACHE=/var/cache/cowhand-lab")
    return root


@contextmanager
def locked(path, busy=None):
    """Hold a lock file; with a sentence for `busy`, refuse instead of waiting. The lock goes with the process, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise Fail(busy, "wait until it has ended, or end it by its id")
        yield
