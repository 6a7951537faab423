"""The lab's DNS server: dnsmasq on the bridge's address, with a file of records that can be changed while it runs."""
import os
import re
import signal

from .settings import domain
from .shell import Fail, end_process, process_is, run

# Rancher's chart fixes these two; a story may let a server of the lab stand for them.
lets_encrypt = ("acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org")


class Names:
    def __init__(self, lab):
        self.lab = lab
        self.pidfile, self.hosts, self.config = lab.run / "dns.pid", lab.run / "dns.hosts", lab.run / "dns.conf"

    def usual(self):
        """rancher.lab.test on every node, the balancer and the ACME server on the outer machine, and each machine by name."""
        records = {f"rancher.{domain}": list(self.lab.nodes.values()), f"lb.{domain}": [self.lab.gateway], f"acme.{domain}": [self.lab.gateway]}
        records.update({f"{name}.{domain}": [address] for name, address in self.lab.machines.items()})
        records.update({f"node{n}.{domain}": [address] for n, address in enumerate(self.lab.nodes.values(), 1)})
        return records

    def records(self):
        found = {}
        for line in self.hosts.read_text().splitlines() if self.hosts.exists() else []:
            address, name = line.split()
            found.setdefault(name, []).append(address)
        return found

    def write(self, records):
        self.hosts.write_text("".join(f"{address} {name}\n" for name, addresses in records.items() for address in addresses))
        if self.runs:
            os.kill(int(self.pidfile.read_text()), signal.SIGHUP)

    @property
    def runs(self):
        try:
            return process_is(int(self.pidfile.read_text()), str(self.config))
        except (FileNotFoundError, ValueError):
            return False

    def set(self, name, addresses):
        if not name.endswith("." + domain) and name not in lets_encrypt:
            raise Fail(f"the lab's DNS server knows names below {domain}, and {name} is none", f"tests/lab/lab dns {name}.{domain} {self.lab.gateway}")
        for address in addresses:
            if not re.fullmatch(r"[0-9.]+|[0-9a-f:]+", address):
                raise Fail(f"`{address}` is no address")
        records = self.records()
        records.pop(name, None)
        self.write({**records, **({name: addresses} if addresses else {})})

    def start(self):
        if self.runs:
            return
        if not self.hosts.exists():
            self.write(self.usual())
        # every other name of the domain does not exist, and of the rest of the world it knows nothing
        self.config.write_text(f"no-resolv\nno-hosts\nuser=root\nbind-interfaces\nexcept-interface=lo\nlisten-address={self.lab.gateway}\n"
                               f"addn-hosts={self.hosts}\nlocal=/{domain}/\ncache-size=0\npid-file={self.pidfile}\n")
        try:
            run(["dnsmasq", "--conf-file=" + str(self.config)])
        except Fail as error:
            raise Fail(f"the lab's DNS server did not start: {error}", f"end what listens on {self.lab.gateway}:53 (`ss -lnup`), or take another LAB_SUBNET")

    def stop(self):
        end_process(self.pidfile, str(self.config))
