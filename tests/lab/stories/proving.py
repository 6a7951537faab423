"""One TLS set-up brought about by `up` on a standing cluster, and proved by traffic. No story of its own."""
import base64
import contextlib
import dataclasses
import hashlib
import json
import re
import secrets as random

from . import canary, company
from .scene import until

NAMESPACE = "cattle-system"
# Everything that a set-up may leave beside Rancher's own objects.
KINDS = ["ingresses.networking.k8s.io", "issuers.cert-manager.io", "certificates.cert-manager.io", "middlewares.traefik.io", "serverstransports.traefik.io",
         "ingressroutes.traefik.io", "ingressroutetcps.traefik.io"]
TLS, OPAQUE = "kubernetes.io/tls", "Opaque"
# Secrets that cowhand makes and takes away again; `tls-rancher` is Rancher's own as well.
OURS = {"tls-ca", "cattle-issuer-ca", "cattle-server-keys"}


@dataclasses.dataclass
class Cell:
    """What a set-up has to bring about, said once more and independently of src/tls/table.rs."""
    tls: dict                     # `rancher.tls` of the inventory
    root: object                  # file with the only root that a browser knows
    cacerts: str                  # checksum agents will compute; "" when they are handed nothing
    agents: str                   # strict or system-store
    values: dict                  # of Rancher's chart
    secrets: dict                 # name -> (type, keys)
    objects: set                  # of KINDS, beside Rancher's Ingress
    length: int = 2               # certificates in the chain as served
    passage: str = "plain"        # reencrypt, passthrough
    system: object = None         # roots of the laptop's system store
    canaries: dict = dataclasses.field(default_factory=dict)     # what -> file with a private key
    watched: bool = False         # all processes looked at during `up`
    delivery: str = "helm"
    more: dict = dataclasses.field(default_factory=dict)         # other texts to replace in the inventory


def write(s, cell):
    """The inventory of this set-up; JSON is YAML in one line."""
    text = s.workspace("tls").read_text()
    text = re.sub(r"^  tls: .*$", f"  tls: {json.dumps(cell.tls, default=str)}", text, flags=re.M)
    text = text.replace("rancher:\n", f"rancher:\n  delivery: {cell.delivery}\n", 1)
    for old, new in cell.more.items():
        assert old in text, f"`{old}` is not in the inventory"
        text = text.replace(old, new, 1)
    s.inventory.write_text(text)


def proved(s, cell):
    """`up`, and everything that has to hold afterwards; a second `up` has nothing to do."""
    write(s, cell)
    env = {"SSL_CERT_FILE": str(cell.system)} if cell.system else {}
    plan = s.cow("plan", "-v", inventory=s.inventory, env=env).must()
    with canary.Sampler(s) if cell.watched else contextlib.nullcontext() as sampler:
        up = s.cow("up", "--output", "json", inventory=s.inventory, env=env).must()
    s.sampler = sampler
    verified(s, cell, env)
    shown_outside(s, cell)
    as_the_table_says(s, cell)
    again = s.cow("up", "--output", "json", inventory=s.inventory, env=env).must()
    stages = {e["stage"]: e["outcome"] for e in again.events("stage-finished")}
    steps = [e["step"] for e in again.events("step-started")]
    assert set(stages.values()) == {"unchanged", "passed"}, f"a second `up` changed something: {stages}, its steps: {steps}"
    no_secret_is_out(s, cell, {"plan": str(plan.out + plan.err), "up": str(up.out + up.err), "up again": str(again.out + again.err)}, sampler)
    return f"up {up.seconds:.0f} s, again {again.seconds:.1f} s"


def verified(s, cell, env):
    done = s.cow("verify", "--output", "json", inventory=s.inventory, env=env).must()
    findings = [e["finding"] for e in done.events("finding")]
    assert findings and all(f["verdict"] == "pass" for f in findings), findings
    ways = [f for f in findings if f["check"] == "outside.trusted"]
    assert len(ways) >= len(s.nodes) + 1, f"each node and the DNS name: {ways}"
    if cell.cacerts:
        seen = [f["seen"] for f in findings if f["check"] == "outside.cacerts"]
        assert all(cell.cacerts in one for one in seen), f"expected {cell.cacerts}: {seen}"


def shown_outside(s, cell):
    """With the expected root alone, by each node's address: chain, name, Rancher itself, what agents get, the redirect."""
    for name, address in s.nodes.items():
        chain = company.served(address)
        assert len(chain) == cell.length, f"{name} serves {len(chain)} certificates, not {cell.length}"
        assert not company.trusts(cell.root, chain), f"{name}: {company.trusts(cell.root, chain)}"
        assert company.trusts(cell.root, chain, "other.lab.test"), f"{name} passes for another name too"
        assert company.trusts(s.stranger.root, chain), f"{name} is trusted by another root too"
        if "certificate" in cell.tls:
            assert chain[0] == company.openssl("x509", "-in", s.company_of(cell).folder / "leaf.pem"), f"{name} serves another leaf than the file's"
        assert s.curl(address, "/ping", cell.root).must().out == "pong"
        body = s.curl(address, "/cacerts", cell.root).must().out
        sum_ = hashlib.sha256((body.strip() + "\n").encode()).hexdigest() if body.strip() else ""
        assert sum_ == cell.cacerts, f"{name}: /cacerts has checksum `{sum_}`, predicted was `{cell.cacerts}`"
        plain = s.run("curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}",
                      "--resolve", f"{company.NAME}:80:{address}", f"http://{company.NAME}/a?b=c").must().out
        assert re.fullmatch(rf"30[1278] https://{company.NAME}/a\?b=c", plain), f"{name}: plain http answers {plain}"
        page = s.curl(address, "/", cell.root, company.NAME, "-o", "/dev/null", "-w", "%{http_code}").must().out
        assert page == "200", f"{name}: https answers {page}"
    passed_on(s, cell, address)


def passed_on(s, cell, address):
    """Rancher's own log says whether a request came to its pods by TLS, and by which hand."""
    mark = f"/dashboard/{random.token_hex(8)}"
    s.curl(address, mark, cell.root).must()

    def told():
        lines = s.kubectl(s.inventory, "-n", NAMESPACE, "logs", "-l", "app=rancher", "--tail=300", "--prefix=false").splitlines()
        return next((json.loads(line) for line in lines if mark in line), None)
    seen = until(20, told, 0.5)
    expected = {"plain": (False, "https"), "reencrypt": (True, "https"), "passthrough": (True, "")}[cell.passage]
    assert (seen["tls"], seen["x_forwarded_proto"]) == expected, f"{cell.passage}: {seen}"


def as_the_table_says(s, cell):
    told = s.kubectl(s.inventory, "-n", NAMESPACE, "get", "secrets", "-o", "json")
    found = {one["metadata"]["name"]: (one["type"], sorted(one.get("data") or {})) for one in json.loads(told)["items"]}
    for name, (kind, keys) in cell.secrets.items():
        assert found.get(name) and found[name][0] == kind and set(keys) <= set(found[name][1]), f"secret {name}: {found.get(name)}, expected {kind} {keys}"
    left = (OURS & set(found)) - set(cell.secrets)
    assert not left, f"a secret of an earlier set-up is still there: {left}"
    known = s.kubectl(s.inventory, "api-resources", "-o", "name").split()   # without cert-manager there are no issuers
    kinds = ",".join(kind for kind in KINDS if kind in known)

    def there():
        return {re.sub(r"\..*/", "/", name) for name in s.kubectl(s.inventory, "-n", NAMESPACE, "get", kinds, "-o", "name").split()}
    # cert-manager takes its solvers away a moment after the certificate is there.
    until(60, lambda: not any("cm-acme-http-solver" in one for one in there()))
    objects = there()
    expected = cell.objects | (set() if cell.passage == "passthrough" else {"ingress/rancher"})
    assert objects == expected, f"objects {sorted(objects)}, expected {sorted(expected)}"
    values = given_values(s, cell)
    for path, wanted in {**cell.values, "agentTLSMode": cell.agents}.items():
        at = values
        for key in path.split("."):
            at = at[key]
        assert at == wanted, f"chart value {path} is {at}, not {wanted}"
    address = next(iter(s.nodes.values()))
    setting = json.loads(s.curl(address, "/v3/settings/agent-tls-mode", cell.root).must().out)
    assert setting["value"] == cell.agents, setting
    ports = json.loads(s.kubectl(s.inventory, "-n", NAMESPACE, "get", "service", "rancher", "-o", "json"))["spec"]["ports"]
    assert {p["port"] for p in ports} == ({443} if cell.passage == "reencrypt" else {80, 443}), ports


def given_values(s, cell):
    """By helm's own word, or from the file that lies beside the addon: maps and single words, one a line."""
    if cell.delivery == "helm":
        words = ["helm", "--kubeconfig", s.inventory.parent / "kube_config_cluster.yml", "-n", NAMESPACE, "get", "values", "rancher", "-o", "json"]
        return json.loads(s.run(*words).must().out)
    values, path = {}, []
    for line in (s.inventory.parent / "rancher-values.yml").read_text().splitlines():
        depth, (key, _, value) = (len(line) - len(line.lstrip())) // 2, line.strip().partition(": ")
        path = [*path[:depth], key.rstrip(":")]
        at = values
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = {"true": True, "false": False}.get(value, int(value) if value.isdigit() else value) if value else {}
    return values


def secret(s, name, key):
    data = json.loads(s.kubectl(s.inventory, "-n", NAMESPACE, "get", "secret", name, "-o", "json"))["data"]
    return base64.b64decode(data[key]).decode()


def no_secret_is_out(s, cell, said, sampler):
    """Canaries from every private key of this set-up, as they are and as a Secret's data would show them."""
    folder = s.inventory.parent
    keys = {what: open(file).read() for what, file in cell.canaries.items()}
    for name, (kind, names) in cell.secrets.items():
        keys.update({f"{name}'s {key}": secret(s, name, key) for key in names if key in ("tls.key", "key.pem")})
    wanted = {what: canary.forms(text) for what, text in keys.items()}
    places = said | canary.files_of(folder)
    places["ConfigMaps (RKE's addons among them)"] = s.kubectl(s.inventory, "get", "configmaps", "-A", "-o", "yaml")
    places["helm's release"] = s.run("helm", "--kubeconfig", folder / "kube_config_cluster.yml", "-n", NAMESPACE, "get", "all", "rancher").out
    found = canary.stands_in(wanted, places) + (sampler.found(wanted) if sampler else [])
    assert not found, "\n".join(found)
    kept = {"": s.kubectl(s.inventory, "-n", NAMESPACE, "get", "secrets", "-o", "yaml")}
    blind = [what for what in wanted if what not in cell.canaries and not canary.stands_in({what: wanted[what]}, kept)]
    assert not blind, f"the search does not even find {blind} in the Secrets"
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and b"PRIVATE KEY-----" in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, f"{path} holds a key and is open to others"
