"""An ACME server on the outer machine: real pebble, validating through the lab's DNS server and port 80."""
import json
import os
import ssl
import subprocess
import urllib.request

from .shell import Fail, end_process, process_is, run, say, wait_until


class Pebble:
    def __init__(self, lab, store):
        self.lab, self.store, self.folder = lab, store, lab.run / "pebble"
        self.pidfile, self.ca = self.folder / "pid", self.folder / "pebble-ca.pem"
        self.directory, self.management = f"https://acme.lab.test:14000/dir", f"https://{lab.gateway}:15000"

    @property
    def runs(self):
        try:
            return process_is(int(self.pidfile.read_text()), str(self.folder))
        except (FileNotFoundError, ValueError):
            return False

    def make_certificate(self):
        """A small CA and the server's certificate; whoever uses the server has to trust that CA."""
        at, short = self.folder, ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run(["openssl", "req", "-x509", *short, "-days", "30", "-subj", "/CN=pebble CA of the lab", "-keyout", at / "ca.key", "-out", self.ca])
        run(["openssl", "req", *short, "-subj", "/CN=acme.lab.test", "-keyout", at / "key.pem", "-out", at / "request.pem"])
        (at / "names").write_text(f"subjectAltName=DNS:acme.lab.test,IP:{self.lab.gateway}\nextendedKeyUsage=serverAuth\n")
        run(["openssl", "x509", "-req", "-in", at / "request.pem", "-CA", self.ca, "-CAkey", at / "ca.key", "-CAcreateserial", "-days", "30",
             "-extfile", at / "names", "-out", at / "cert.pem"])

    def start(self):
        if not self.lab.run.exists():
            raise Fail(f"the lab `{self.lab.name}` is not up", "tests/lab/lab up")
        if not self.runs:
            self.folder.mkdir(exist_ok=True)
            if not (self.folder / "cert.pem").exists():
                self.make_certificate()
            (self.folder / "config.json").write_text(json.dumps({"pebble": {
                "listenAddress": f"{self.lab.gateway}:14000", "managementListenAddress": f"{self.lab.gateway}:15000",
                "certificate": str(self.folder / "cert.pem"), "privateKey": str(self.folder / "key.pem"), "httpPort": 80, "tlsPort": 443}}))
            with open(self.folder / "log", "ab") as log:
                started = subprocess.Popen([self.store.path("go-pebble") / "pebble", "-config", self.folder / "config.json", "-dnsserver", f"{self.lab.gateway}:53"],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                                           env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})
            self.pidfile.write_text(str(started.pid))
            try:
                wait_until("an answer of pebble", 20, self._fetch_root)
            except Fail:
                raise Fail(f"pebble does not answer; the end of {self.folder}/log: {(self.folder / 'log').read_text()[-400:]}", "tests/lab/lab pebble stop, then start")
        say("pebble runs")
        self._fetch_root()
        return {"directory": self.directory, "ca": str(self.ca), "root": str(self.folder / "pebble-root.pem"), "management": self.management}

    def _fetch_root(self):
        """What it signs is trusted by this root, a new one at each start."""
        try:
            trust = ssl.create_default_context(cafile=str(self.ca))
            with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)).open(f"{self.management}/roots/0", timeout=5) as answer:
                (self.folder / "pebble-root.pem").write_bytes(answer.read())
            return True
        except OSError as error:
            return str(error)

    def stop(self):
        end_process(self.pidfile, str(self.folder))
