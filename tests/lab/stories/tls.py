"""Every cell of the TLS table: an inventory change and `up` on one standing cluster each, proved by traffic.

Mode external is told by another story, with a real balancer. Certificates: openssl as a company's CA, cert-manager, real pebble."""
import json
import re
import shutil
import signal
import textwrap
from pathlib import Path

from . import company
from .proving import OPAQUE, TLS, Cell, proved, secret, write
from .scene import until

PAIR = ["tls.crt", "tls.key"]
FILES = {"tls-rancher-ingress": (TLS, PAIR)}
TOLD_CA = {"tls-ca": (OPAQUE, ["cacerts.pem"])}
BY_CA = {"issuer/cattle-issuer-ca", "certificate/tls-rancher-ingress"}
BY_ACME = {"issuer/cattle-issuer-acme", "certificate/tls-rancher-ingress"}
BY_CHART = {"issuer/rancher", "certificate/tls-rancher-ingress"}
LETS_ENCRYPT = {"staging": "acme-staging-v02.api.letsencrypt.org", "production": "acme-v02.api.letsencrypt.org"}


# --- the three ways to Rancher
def plain(cell):
    cell.values |= {"tls": "ingress", "ingress.tls.secretName": "tls-rancher-ingress"}
    return cell


def reencrypt(cell):
    cell.passage = "reencrypt"
    cell.objects |= {"middleware/rancher-https", "serverstransport/rancher"}
    cell.values |= {"tls": "ingress", "service.disableHTTP": True, "ingress.servicePort": 443}
    cell.tls["mode"] = "rancher"
    return cell


def passthrough(cell):
    """Rancher's pods end TLS."""
    cell.passage, cell.length = "passthrough", 2
    cell.objects = {"ingressroutetcp/rancher-passthrough", "ingressroute/rancher-redirect"}
    del cell.secrets["tls-rancher-ingress"]
    if "certificate" in cell.tls:
        cell.secrets["cattle-server-keys"] = (OPAQUE, ["cert.pem", "key.pem"])
    else:
        cell.secrets, cell.objects = {"tls-rancher": (TLS, PAIR)}, cell.objects | {"issuer/rancher"}
        cell.values = {"privateCA": False, "ingress.tls.source": "rancher"}
    cell.values |= {"tls": "ingress", "ingress.enabled": False}
    cell.tls |= {"mode": "rancher", "passthrough": True}
    return cell


# --- the issuers
def public_files(s):
    ca = s.public
    return Cell({"mode": "ingress", "issuer": "blank", "certificate": ca.chain, "key": ca.key}, ca.root, "", "system-store",
                {"privateCA": False, "ingress.tls.source": "secret"}, dict(FILES), set(), system=ca.root, canaries={"the leaf's key": ca.key})


def private_files(s):
    """The CA's file as it comes from Windows: the checksum is that of the tidy text."""
    ca = s.company
    return Cell({"mode": "ingress", "issuer": "blank", "certificate": ca.chain, "key": ca.key, "ca": ca.windows()}, ca.root, company.checksum(ca.root), "strict",
                {"privateCA": True, "ingress.tls.source": "secret"}, FILES | TOLD_CA, set(), canaries={"the leaf's key": ca.key})


def no_files(s):
    """The CA is the one that Rancher made at its first start."""
    ca = s.work / "rancher" / "ca.pem"
    ca.parent.mkdir(exist_ok=True)
    ca.write_text(secret(s, "tls-rancher", "tls.crt"))
    return Cell({"mode": "ingress", "issuer": "blank"}, ca, company.checksum(ca), "strict", {"privateCA": False, "ingress.tls.source": "rancher"},
                dict(FILES), set(BY_CHART), length=1)


def own_ca(s):
    """A department's CA: it has the intermediate's key, and the file holds the chain up to the root."""
    ca = s.company
    return Cell({"mode": "ingress", "issuer": "ca", "ca": ca.both, "ca_key": ca.intermediate_key}, ca.root, company.checksum(ca.intermediate, ca.root), "strict",
                {"privateCA": True, "ingress.tls.source": "secret"}, FILES | TOLD_CA | {"cattle-issuer-ca": (TLS, PAIR)}, set(BY_CA),
                canaries={"the CA's key": ca.intermediate_key})


def root_ca(s):
    """The root with its key: Rancher's pods take one certificate and no chain."""
    ca = s.company
    return Cell({"mode": "ingress", "issuer": "ca", "ca": ca.root, "ca_key": ca.root_key}, ca.root, company.checksum(ca.root), "strict",
                {"privateCA": True, "ingress.tls.source": "secret"}, FILES | TOLD_CA | {"cattle-issuer-ca": (TLS, PAIR)}, set(BY_CA),
                canaries={"the CA's key": ca.root_key})


def made_ca(s):
    ca, key = s.inventory.parent / "ca.pem", s.inventory.parent / "secrets" / "ca-key.pem"
    return Cell({"mode": "ingress", "issuer": "ca"}, ca, company.checksum(ca), "strict", {"privateCA": True, "ingress.tls.source": "secret"},
                FILES | TOLD_CA | {"cattle-issuer-ca": (TLS, PAIR)}, set(BY_CA), length=1, canaries={"the made CA's key": key})


def own_acme(s):
    """Its directory and its root given by the inventory."""
    root = Path(s.pebble["PEBBLE_ROOT"])
    acme = {"email": "ops@lab.test", "server": s.pebble["PEBBLE_DIRECTORY"], "server_ca": s.pebble["PEBBLE_CA"]}
    return Cell({"mode": "ingress", "issuer": "acme", "acme": acme, "ca": root}, root, company.checksum(root), "strict",
                {"privateCA": True, "ingress.tls.source": "secret"}, FILES | TOLD_CA | {"cattle-issuer-acme": (OPAQUE, ["tls.key"])}, set(BY_ACME))


def lets_encrypt(s, environment):
    """The names are Let's Encrypt's, the server behind them is pebble: see `lets_encrypts_names_lead_to_pebble`."""
    root = Path(s.pebble["PEBBLE_ROOT"])
    acme = {"email": "ops@lab.test", "environment": environment}
    return Cell({"mode": "ingress", "issuer": "acme", "acme": acme}, root, "", "system-store",
                {"privateCA": False, "ingress.tls.source": "letsEncrypt", "letsEncrypt.environment": environment, "letsEncrypt.ingress.class": "traefik"},
                FILES | {f"letsencrypt-{environment}": (OPAQUE, ["tls.key"])}, set(BY_CHART), system=root)


# --- steps
def a_company_a_public_ca_and_a_stranger(s):
    s.fresh_lab()
    s.inventory = s.workspace("tls")
    s.company, s.public, s.stranger = (company.Authority(s.work / "pki" / who.lower(), who) for who in ("Meadow", "Public", "Stranger"))
    s.company_of = lambda cell: s.company if "ca" in cell.tls else s.public
    s.delivery, s.trusting = "addon", {}
    return "root, intermediate and leaf each"


def a_cluster_with_rancher_by_helm(s):
    """Helm takes away by itself what its chart no longer has."""
    s.delivery = "helm"
    return stands(s)


def a_cluster_with_rancher_as_addon(s):
    """RKE takes away nothing; and an addon is never changed into a release, so the machines are fresh."""
    s.lab("reset")
    shutil.rmtree(s.inventory.parent)
    s.delivery = "addon"
    return stands(s)


def stands(s):
    s.workspace("tls", lambda text: text.replace("rancher:\n", f"rancher:\n  delivery: {s.delivery}\n", 1))
    done = s.cow("up", inventory=s.inventory).must()
    return f"{done.seconds:.0f} s"


def pebble_runs(s):
    """An ACME server of one's own: it validates what it signs, through the lab's DNS and port 80."""
    s.pebble = {}
    for line in s.lab("pebble", "start").out.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        s.pebble[name] = value.strip("'")
    assert {"PEBBLE_DIRECTORY", "PEBBLE_CA", "PEBBLE_ROOT"} <= set(s.pebble), s.pebble


def lets_encrypts_names_lead_to_pebble(s):
    """The chart fixes Let's Encrypt's two URLs, so the lab's DNS and a real haproxy stand for them; cert-manager is told their CA."""
    gateway, folder = s.environment["LAB_GATEWAY"], s.work / "front"
    folder.mkdir()
    ca = Path(s.pebble["PEBBLE_CA"])
    company.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "key.pem")
    (folder / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in LETS_ENCRYPT.values()) + "\nextendedKeyUsage=serverAuth\n")
    request = company.openssl("req", "-new", "-key", folder / "key.pem", "-subj", "/CN=front of the lab")
    company.openssl("x509", "-req", "-CA", ca, "-CAkey", ca.parent / "ca.key", "-CAcreateserial", "-days", 30, "-extfile", folder / "names",
                    "-out", folder / "cert.pem", text=request)
    (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    (folder / "haproxy.cfg").write_text(f"""defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend acme
  bind {gateway}:443 ssl crt {folder}/both.pem
  http-request set-path /dir if {{ path /directory }}
  default_backend pebble
backend pebble
  server pebble {gateway}:14000 ssl verify required ca-file {ca} verifyhost acme.lab.test
""")
    s.front = s.start("haproxy", "-f", folder / "haproxy.cfg", log=folder / "log")
    for name in LETS_ENCRYPT.values():
        s.lab("dns", name, gateway)
        until(10, lambda: s.run("curl", "-sS", "--max-time", "5", "--cacert", ca, "--resolve", f"{name}:443:{gateway}", f"https://{name}/directory").code == 0, 0.2)
    s.kubectl(s.inventory, "-n", "cert-manager", "create", "configmap", "lab-ca", f"--from-file=ca.pem={ca}")
    s.trusting = {"  values:\n    image: {repository: lab/cert-manager-controller": """  values:
    volumes: [{name: lab-ca, configMap: {name: lab-ca}}]
    volumeMounts: [{name: lab-ca, mountPath: /lab-ca}]
    extraEnv: [{name: SSL_CERT_FILE, value: /lab-ca/ca.pem}]
    image: {repository: lab/cert-manager-controller"""}


def lets_encrypts_names_are_given_back(s):
    for name in LETS_ENCRYPT.values():
        s.lab("dns", name)
    s.kill(s.front, signal.SIGTERM)
    s.trusting = {}


def cell(make, way=plain, watched=False, **how):
    """The step that brings this cell about; it is called as the cell is."""
    def step(s):
        wanted = way(make(s, **how))
        wanted.delivery, wanted.more, wanted.watched = s.delivery, wanted.more | s.trusting, watched
        note = proved(s, wanted)
        if "environment" in how:
            orders = s.kubectl(s.inventory, "-n", "cattle-system", "get", "orders.acme.cert-manager.io", "-o", "jsonpath={.items[*].status.url}")
            assert LETS_ENCRYPT[how["environment"]] in orders, f"no order went to {how}: {orders}"
        return note
    step.__name__ = "_".join([{"plain": "ingress", "reencrypt": "rancher", "passthrough": "rancher_passthrough"}[way.__name__], make.__name__, *how.values()])
    return step


def the_other_cells_are_refused(s):
    """By the inventory, before a machine is asked: each with what to choose instead."""
    files = {"certificate": s.company.chain, "key": s.company.key, "ca": s.company.root, "ca_key": s.company.root_key}
    acmes = [{"email": "ops@lab.test", **more} for more in ({"environment": "staging"}, {"environment": "production"}, {"server": s.pebble["PEBBLE_DIRECTORY"]})]
    external = {"mode": "external"}
    issuer = "the load balancer has its own certificate in mode external", "choose issuer blank"
    passed = "does not go with issuer acme", "remove it, and the ingress encrypts anew"
    refused = [({**external, "issuer": "ca"}, issuer), ({**external, "issuer": "ca", "ca": files["ca"], "ca_key": files["ca_key"]}, issuer)]
    refused += [({**external, "issuer": "acme", "acme": acme}, issuer) for acme in acmes]
    refused += [({"mode": "rancher", "passthrough": True, "issuer": "acme", "acme": acme}, passed) for acme in acmes]
    kept = s.inventory.read_text()
    for tls, sentence in refused:
        write(s, Cell(tls, None, "", "", {}, {}, set(), more={"nodes:\n": f"load_balancers: [{s.environment['LAB_GATEWAY']}]\nnodes:\n"}))
        for words in (["check", "--offline"], ["up"]):
            s.cow(*words, inventory=s.inventory).must(3).says(*sentence, "nothing was touched")
    s.inventory.write_text(kept)
    return f"{len(refused)} cells"


def traefik_goes_first(s):
    """nginx could not bind its ports beside it: refused, with what to do. The next cell's `up` brings it back."""
    folder = s.work / "nginx-too-early"
    shutil.copytree(s.inventory.parent, folder, symlinks=True)
    text = re.sub(r"^ingress:\n(  .*\n)+", "ingress: {provider: nginx}\n", (folder / "lab.yml").read_text(), flags=re.M)
    (folder / "lab.yml").write_text(text)
    for words in (["plan"], ["up"]):
        s.cow(*words, inventory=folder / "lab.yml").must(5).says("Traefik", "ports 80 and 443", "helm uninstall traefik --namespace traefik")
    s.run("helm", "--kubeconfig", s.inventory.parent / "kube_config_cluster.yml", "uninstall", "traefik", "--namespace", "traefik", "--wait", limit=120).must()


def rkes_own_nginx_as_far_as_it_goes(s):
    """Its images cannot be had here. What cowhand would do with it is planned, judged by the real rke and taken by the API, nothing more."""
    wanted = {
        "external": ({"mode": "external", "issuer": "blank"}, f"load_balancers: [{s.environment['LAB_GATEWAY']}]\n",
                     "provider: nginx\n  options:\n    proxy-real-ip-cidr: " + s.environment["LAB_GATEWAY"] + "/32\n    use-forwarded-headers: \"true\"\n"),
        "reencrypt": ({"mode": "rancher", "issuer": "ca"}, "", "provider: nginx\n"),
        "passthrough": ({"mode": "rancher", "issuer": "blank", "passthrough": True}, "", "provider: nginx\n  extra_args:\n    enable-ssl-passthrough: \"\"\n"),
    }
    traefik_goes_first(s)
    for name, (tls, top, ingress) in wanted.items():
        folder = s.work / f"nginx-{name}"
        shutil.copytree(s.inventory.parent, folder, symlinks=True)
        text = re.sub(r"^ingress:\n(  .*\n)+", "ingress: {provider: nginx}\n", (folder / "lab.yml").read_text(), flags=re.M)
        (folder / "lab.yml").write_text(top + re.sub(r"^  tls: .*$", f"  tls: {json.dumps(tls)}", text, flags=re.M))
        plan = next(e["value"] for e in s.cow("plan", "--output", "json", inventory=folder / "lab.yml").must().events() if "value" in e)
        cluster = next(step["text"] for step in plan if "cluster.yml" in step["step"])
        assert "ingress:\n  " + ingress in cluster, f"{name}: {cluster}"
        (folder / "cluster.yml").write_text(cluster)
        s.run("rke", "up", "--init", "--config", "cluster.yml", cwd=folder, limit=120).must().says("Successfully Deployed state file")
        addon = textwrap.dedent(cluster.split("\naddons: ", 1)[1].partition("\n")[2])
        objects = [one for one in addon.split("---\n") if "kind: Ingress\n" in one]
        objects += [step["text"] for step in plan if "kind: Ingress\n" in step["text"] and "cluster.yml" not in step["step"]]
        assert len(objects) == 1, f"{name}: {objects}"
        taken = json.loads(s.kubectl(s.inventory, "-n", "cattle-system", "create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-",
                                     input=re.sub(r"^  name: .*", "  name: trial", objects[0], count=1, flags=re.M)))
        notes = {key.split("/")[-1]: value for key, value in taken["metadata"]["annotations"].items() if key.startswith("nginx.")}
        expected = {"external": {"ssl-redirect": "false"}, "reencrypt": {"backend-protocol": "HTTPS"},
                    "passthrough": {"ssl-passthrough": "true", "force-ssl-redirect": "true", "backend-protocol": "HTTPS"}}[name]
        assert expected.items() <= notes.items() and taken["spec"]["ingressClassName"] == "nginx", f"{name}: {taken}"


STEPS = [
    a_company_a_public_ca_and_a_stranger, a_cluster_with_rancher_by_helm,
    cell(made_ca), cell(own_ca), cell(private_files), cell(public_files), cell(no_files), pebble_runs, cell(own_acme), the_other_cells_are_refused,
    # Between two cells of Let's Encrypt another one, so that each certificate is really asked for.
    lets_encrypts_names_lead_to_pebble, cell(lets_encrypt, environment="staging"), cell(private_files, reencrypt),
    cell(lets_encrypt, environment="production"), cell(own_ca, reencrypt), cell(lets_encrypt, reencrypt, environment="staging"),
    cell(public_files, reencrypt), cell(lets_encrypt, reencrypt, environment="production"), lets_encrypts_names_are_given_back,
    cell(no_files, reencrypt), cell(own_acme, reencrypt), cell(made_ca, reencrypt),
    a_cluster_with_rancher_as_addon, rkes_own_nginx_as_far_as_it_goes,
    cell(no_files, passthrough), cell(private_files, passthrough), cell(public_files, passthrough), cell(root_ca, passthrough), cell(made_ca, passthrough),
    cell(private_files), cell(own_acme), cell(no_files),
]
