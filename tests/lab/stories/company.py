"""Certificates as a company's CA makes them with openssl: root, intermediate, leaf."""
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Signed:
    """A certificate, its key, and who signed it; `chain` is what a server sends: without the root."""
    certificate: Path
    key: Path
    signer: "Signed | None" = None

    @property
    def root(self):
        return self.signer.root if self.signer else self.certificate

    def chain(self, path):
        """Writes leaf first, then intermediates, into `path`."""
        texts, one = [], self
        while one.signer:
            texts.append(one.certificate.read_text())
            one = one.signer
        path.write_text("".join(texts))
        return path

    def bundle(self, path):
        """Writes this CA first, then those above it, the root among them."""
        texts, one = [], self
        while one:
            texts.append(one.certificate.read_text())
            one = one.signer
        path.write_text("".join(texts))
        return path


def openssl(*words, input=None):
    done = subprocess.run(["openssl", *map(str, words)], input=input, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, f"openssl {' '.join(map(str, words))}: {done.stderr}"
    return done.stdout


def _make(folder, name, subject, extensions, signer, days):
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate, request, text = (folder / f"{name}.{end}" for end in ("key", "pem", "csr", "ext"))
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    key.chmod(0o600)
    text.write_text(extensions)
    openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
    by = ["-CA", signer.certificate, "-CAkey", signer.key, "-CAcreateserial"] if signer else ["-signkey", key]
    openssl("x509", "-req", "-in", request, "-sha256", "-days", days, "-extfile", text, *by, "-out", certificate)
    return Signed(certificate, key, signer)


CA = "basicConstraints=critical,CA:TRUE{}\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"


def root(folder, name="root"):
    return _make(folder, name, f"/O=Example/CN=Example {name}", CA.format(""), None, 3650)


def intermediate(folder, signer, name="intermediate"):
    return _make(folder, name, f"/O=Example/CN=Example {name}", CA.format(",pathlen:0") + "authorityKeyIdentifier=keyid\n", signer, 1825)


def leaf(folder, signer, names, name="leaf", days=90):
    names_text = ",".join(f"DNS:{one}" for one in names)
    extensions = (f"subjectAltName={names_text}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                  "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    return _make(folder, name, f"/CN={names[0]}", extensions, signer, days)
