"""Certificates as a company's CA department makes them, by openssl: root, intermediate, leaf. No story of its own."""
import hashlib
import subprocess

NAME = "rancher.lab.test"
LEAF = f"subjectAltName=DNS:{NAME}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
ROOT = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
INTERMEDIATE = ROOT.replace("CA:TRUE", "CA:TRUE,pathlen:0") + "authorityKeyIdentifier=keyid\n"


def openssl(*words, text=None):
    done = subprocess.run(["openssl", *map(str, words)], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, words))}: {done.stderr}"
    return done.stdout


class Authority:
    """A CA in a folder: `root.pem`, `intermediate.pem`, `chain.pem` (leaf and intermediate), `leaf.key` and the CAs' keys."""

    def __init__(self, folder, who):
        self.folder, self.who = folder, who
        folder.mkdir(parents=True, exist_ok=True)
        self.root, self.root_key = folder / "root.pem", folder / "root.key"
        self.intermediate, self.intermediate_key = folder / "intermediate.pem", folder / "intermediate.key"
        # The intermediate and what is above it, as a department that has only the intermediate's key would give them.
        self.both = folder / "intermediate-and-root.pem"
        self.chain, self.key = folder / "chain.pem", folder / "leaf.key"
        self._key(self.root_key)
        openssl("req", "-x509", "-new", "-key", self.root_key, "-subj", f"/O={who}/CN={who} Root", "-days", 3650, "-out", self.root,
                *(word for line in ROOT.splitlines() for word in ("-addext", line)))
        self._key(self.intermediate_key)
        self._sign(self.intermediate_key, f"/O={who}/CN={who} Issuing", INTERMEDIATE, self.root, self.root_key, 1825, self.intermediate)
        self.both.write_text(self.intermediate.read_text() + self.root.read_text())
        self.new_leaf()

    def new_leaf(self, days=90):
        """Another certificate with another key. The file is as `openssl ca` writes it: text above each block."""
        openssl("genrsa", "-out", self.key, 2048)
        self.key.chmod(0o600)
        self._sign(self.key, f"/O={self.who}/CN={NAME}", LEAF, self.intermediate, self.intermediate_key, days, self.folder / "leaf.pem")
        self.chain.write_text("".join(openssl("x509", "-in", one, "-text") for one in (self.folder / "leaf.pem", self.intermediate)))

    def windows(self):
        """The root as somebody on Windows passes it on: a byte order mark, and lines that end in CR LF."""
        file = self.folder / "root-windows.pem"
        file.write_bytes(b"\xef\xbb\xbf" + self.root.read_bytes().replace(b"\n", b"\r\n"))
        return file

    def _key(self, file):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)   # PKCS#8: the stand-in reads no other
        file.chmod(0o600)

    def _sign(self, key, subject, extensions, ca, ca_key, days, out):
        request = openssl("req", "-new", "-key", key, "-subj", subject)
        places = self.folder / "extensions"
        places.write_text(extensions)
        openssl("x509", "-req", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-sha256", "-days", days, "-extfile", places, "-out", out, text=request)


def checksum(*files):
    """What an agent computes over the CA file: SHA-256 of its blocks as openssl writes them, one newline at the end."""
    return hashlib.sha256("".join(openssl("x509", "-in", file) for file in files).encode()).hexdigest()


def served(address, port=443):
    """The chain as the server sends it: PEM blocks, leaf first."""
    words = ["openssl", "s_client", "-connect", f"{address}:{port}", "-servername", NAME, "-showcerts"]
    done = subprocess.run(words, input="", text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, check=False)
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return [begin + part.split(end)[0] + end + "\n" for part in done.stdout.split(begin)[1:]]


def trusts(root, chain, name=NAME):
    """What openssl says of a served chain for whoever trusts only `root`: nothing when all is well."""
    folder = root.parent
    (folder / "seen-leaf.pem").write_text(chain[0])
    (folder / "seen-rest.pem").write_text("".join(chain[1:]))
    rest = ["-untrusted", str(folder / "seen-rest.pem")] if chain[1:] else []
    words = ["openssl", "verify", "-purpose", "sslserver", "-verify_hostname", name, "-no-CApath", "-no-CAstore", "-CAfile", str(root), *rest, str(folder / "seen-leaf.pem")]
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return "" if done.returncode == 0 else done.stdout
