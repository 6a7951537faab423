"""Machines for what stands in front of the nodes: each has an address of its own on the lab's network and runs one program of this machine."""
from .shell import Fail


class Balancers:
    """Containers on the lab's network that see this machine's files as their own, so that a real haproxy, nginx or keepalived runs there as installed here."""

    def __init__(self, lab, engine):
        self.lab, self.engine = lab, engine

    def name(self, number):
        return f"{self.lab.name}lb{number}"

    def start(self, number, words):
        """In the place of what ran there; the program is the machine, and when it ends, the machine is off."""
        if not words:
            raise Fail("there is no program to start", "tests/lab/lab balancer 1 start -- haproxy -W -db -f FILE")
        self.stop(number)
        image = self.engine.docker("inspect", "--format", "{{.Image}}", next(iter(self.lab.nodes)))
        self.engine.docker("run", "-d", "--name", self.name(number), "--hostname", self.name(number), "--network", self.lab.name,
                           "--ip", self.lab.balancers[number], "--label", f"cowhand.lab={self.lab.name}", "--cap-add", "NET_ADMIN",
                           "-v", "/:/outer", "--entrypoint", "chroot", image, "/outer", *words)

    def stop(self, number):
        if self.engine.works("inspect", self.name(number)):
            self.engine.docker("rm", "-fv", self.name(number))

    def beside(self, number, words):
        """The command line that runs another program there."""
        return self.engine.words("exec", "-i", self.name(number), "chroot", "/outer", *words)

    def told(self, number):
        """The command line that shows what the program has said so far."""
        return self.engine.words("logs", self.name(number))
