"""Real haproxy and nginx in front of the nodes with the text of `cowhand lb`, layer 4 and layer 7, and what a client sees when a node goes.

The texts are not touched; only file paths are given to `cowhand lb`, and addresses to keepalived's."""
import base64
import json
import os
import re
import shutil
import socket
import ssl
import time
from collections import Counter

from .asking import LONGEST, LONGEST_WHERE_A_NODE_HANGS, Client, ping_of_several
from .company import Authority, checksum
from .scene import lab_folder, until

NAME = "rancher.lab.test"
HAPROXY, NGINX = "1", "2"


# ---- what stands in front of the nodes

def balancer(s, number, *words, code=0):
    done = s.run(lab_folder / "lab", "balancer", number, *words)
    return done.must(code).out if code is not None else done.out


def addresses(s):
    return s.environment["LAB_BALANCERS"].split()


def text(s, kind, *options):
    """What `cowhand lb` prints, in a file of its own."""
    file = s.work / f"{kind}-{len(list(s.work.iterdir()))}.conf"
    file.write_text(s.cow("lb", kind, *options, inventory=s.inventory).must().out)
    return file


def run_haproxy(s, *options):
    file = text(s, "haproxy", *options)
    s.run("haproxy", "-c", "-f", file).must().says("Configuration file is valid").never_says("WARNING")
    balancer(s, HAPROXY, "start", "--", "haproxy", "-W", "-db", "-f", file)
    return file


def run_nginx(s, *options):
    file = text(s, "nginx", *options)
    s.run("nginx", "-t", "-c", file).must().says("test is successful").never_says("[warn]")
    balancer(s, NGINX, "start", "--", "nginx", "-c", file, "-g", f"daemon off; pid {s.work}/nginx.pid;")
    return file


def states(s):
    """node -> UP or DOWN, as haproxy says it on its own machine."""
    table = balancer(s, HAPROXY, "exec", "--", "curl", "-s", "--max-time", "5", "http://127.0.0.1:8404/;csv", code=None)
    rows = [line.split(",") for line in table.splitlines()]
    return {row[1]: row[17] for row in rows if row[0] in ("rancher", "rancher_https") and row[1] in s.nodes}


def all_up(s):
    """haproxy has asked Rancher on every node and was answered"""
    seen = states(s)
    return len(seen) == len(s.nodes) and all(state.startswith("UP") for state in seen.values())


def names_lead_to(s, *where):
    s.lab("dns", NAME, *where)


# ---- clients, and what they saw

def told(client, limit):
    """Each way's longest gap, which has a bound, and what failed meanwhile."""
    said = []
    for name, gap in client.within(limit).items():
        counts = Counter(client.failures[name])
        failed = ", ".join(f"{count}× {error}" for error, count in sorted(counts.items()))
        said.append(f"{name} {gap:.1f} s" + (f" ({failed})" if failed else ""))
    return ", ".join(said)


def gaps(s, fault, ca, ways, watched=40):
    """Clients on each way, one fault, and the longest gap that each of them saw; traffic has to go on again for all."""
    victim = list(s.nodes)[1]
    with Client({name: ping_of_several(s, where, ca) for name, where in ways.items()}) as client:
        until(30, lambda: client.since(0) > 5, 0.2)
        s.lab("node", victim, fault)
        struck = time.monotonic()
        try:
            time.sleep(watched)
            until(90, lambda: client.since(struck + watched) > 5, 0.2)
        finally:
            s.lab("node", victim, "unpause" if fault == "pause" else "start")
    return told(client, LONGEST_WHERE_A_NODE_HANGS if fault == "pause" else LONGEST)


def whole_again(s):
    """three nodes are Ready, and Rancher answers through each of them"""
    nodes = json.loads(s.kubectl(s.inventory, "get", "nodes", "-o", "json"))["items"]
    ready = [n for n in nodes if any(c["type"] == "Ready" and c["status"] == "True" for c in n["status"]["conditions"])]
    pods = json.loads(s.kubectl(s.inventory, "-n", "cattle-system", "get", "pods", "-l", "app=rancher", "-o", "json"))["items"]
    well = [p for p in pods if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))]
    asked = [s.run("curl", "-sS", "--max-time", "5", "-H", f"Host: {NAME}", f"http://{address}/ping").out for address in s.nodes.values()]
    return len(ready) == len(s.nodes) and len(well) == len(pods) >= 3 and asked == ["pong"] * len(s.nodes)


def healed(s):
    until(300, lambda: whole_again(s), 2)
    until(60, lambda: all_up(s), 1)


def websocket(address, ca):
    """A WebSocket as an agent opens it, over TLS; nothing is said on it."""
    trust = ssl.create_default_context(cafile=str(ca))
    wire = trust.wrap_socket(socket.create_connection((address, 443), timeout=10), server_hostname=NAME)
    key = base64.b64encode(os.urandom(16)).decode()
    wire.sendall(f"GET /v3/connect HTTP/1.1\r\nHost: {NAME}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    said = wire.recv(4096).decode(errors="replace")
    assert " 101 " in said.splitlines()[0], said
    return wire


def echoed(wire, word):
    """A text message and its echo: the frames of RFC 6455, short ones."""
    mask, data = os.urandom(4), word.encode()
    wire.sendall(bytes([0x81, 0x80 | len(data)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))
    return wire.recv(4096)[2:].decode() == word


def requests(s, path):
    """What Rancher's log says of the requests for a path, on all replicas."""
    log = s.kubectl(s.inventory, "-n", "cattle-system", "logs", "-l", "app=rancher", "--tail=-1")
    seen = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in seen if line.get("path") == path]


def asked(s, url, *words, through=None):
    """Status and Location of one request, from here or from a balancer's machine."""
    curl = ["curl", "-sS", "-o", "/dev/null", "--max-time", "10", "-w", "%{http_code} %{redirect_url}", *words, url]
    out = balancer(s, through, "exec", "--", *curl) if through else s.run(*curl).must().out
    return out.strip()


# ---- layer 4

def machines_are_there(s):
    s.fresh_lab()
    s.inventory = s.workspace("balancers", lambda text: text + f"load_balancers: [{', '.join(addresses(s))}]\n")
    names_lead_to(s, *addresses(s))


def both_accept_their_text_and_run(s):
    run_haproxy(s)
    run_nginx(s)


def up_and_verify_go_through_both(s):
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.ca = s.inventory.parent / "ca.pem"
    verified = s.cow("verify", "--output", "json", inventory=s.inventory).must()
    through_both(s, verified)
    until(60, lambda: all_up(s))
    return f"up {done.seconds:.0f} s"


# What `verify` may warn of here, by check and the beginning of what it saw: in mode external nobody but a balancer is believed,
# so from elsewhere the believing itself cannot be seen.
ALLOWED = [("outside.forwarded", "not seen: only a balancer is believed")]


def through_both(s, verified):
    findings = [event["finding"] for event in verified.events("finding")]
    allowed = lambda f: f["verdict"] == "warn" and any(f["check"] == check and f["seen"].startswith(seen) for check, seen in ALLOWED)  # noqa: E731
    loud = [f for f in findings if f["verdict"] != "pass" and not allowed(f)]
    assert findings and not loud, loud
    trusted = {f["subject"] for f in findings if f["check"] == "outside.trusted"}
    for address in addresses(s):
        assert any(address in subject for subject in trusted), f"{address} was not walked: {trusted}"
        assert s.curl(address, "/ping", s.ca).must().out == "pong"


def in_layer_4_nobody_is_believed(s):
    """Forged headers, straight to a node and through the balancers: Rancher sees plain http and none of the forged names."""
    forged = ["-H", f"Host: {NAME}", "-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-For: 6.6.6.6"]
    for place in [*s.nodes.values(), *addresses(s)]:
        answer = asked(s, f"http://{place}/forged-4", *forged)
        assert answer == f"302 https://{NAME}/forged-4", f"{place}: {answer}"
    inside = asked(s, f"http://{next(iter(s.nodes.values()))}/forged-4", *forged, through=HAPROXY)
    assert inside.startswith("302 "), f"a balancer's address is believed in mode ingress: {inside}"
    s.curl(addresses(s)[0], "/forged-4", s.ca, NAME, "-H", "X-Forwarded-For: 6.6.6.6").must()
    seen = requests(s, "/forged-4")
    assert len(seen) >= 6 and not any("6.6.6.6" in line["x_forwarded_for"] for line in seen), seen


def ways(s):
    return {"DNS round robin": s.nodes.values(), "haproxy": addresses(s)[:1], "nginx": addresses(s)[1:]}


def a_node_is_killed_in_layer_4(s):
    note = gaps(s, "kill", s.ca, ways(s))
    healed(s)
    return f"longest gaps: {note}"


def a_node_hangs_in_layer_4(s):
    """It takes connections and answers nothing."""
    note = gaps(s, "pause", s.ca, ways(s))
    healed(s)
    return f"longest gaps: {note}"


# ---- layer 7

def external(s, lines):
    """The inventory in mode external, with these keys beside."""
    words = f"tls: {{mode: external, issuer: blank{lines}}}"
    s.inventory.write_text(re.sub(r"tls: \{.*\}", words, s.inventory.read_text()))


def company_certificate(s):
    s.company = Authority(s.work / "company", "Example Farms")
    s.pem = s.work / "rancher.pem"
    shutil.copy(s.company.chain, s.pem)
    shutil.copy(s.company.key, f"{s.pem}.key")
    s.ca = s.company.root


def both_end_tls_with_a_company_certificate(s):
    company_certificate(s)
    shutil.copy(s.company.root, s.inventory.parent / "company-ca.pem")
    external(s, ", ca: company-ca.pem")
    run_haproxy(s, "--certificate", s.pem)
    run_nginx(s, "--certificate", s.pem, "--key", f"{s.pem}.key")


def up_in_mode_external_with_a_private_ca(s):
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    through_both(s, s.cow("verify", "--output", "json", inventory=s.inventory).must())
    served = s.curl(addresses(s)[0], "/v3/settings/agent-tls-mode", s.ca).must().out
    assert json.loads(served)["value"] == "strict", served
    until(60, lambda: all_up(s))
    return f"up {done.seconds:.0f} s"


def agents_get_the_company_ca(s):
    for address in addresses(s):
        body = s.curl(address, "/cacerts", s.ca).must().out
        (s.work / "served.pem").write_text(body.strip() + "\n")
        assert checksum(s.work / "served.pem") == checksum(s.company.root)
        assert body.strip() == s.company.root.read_text().strip(), "served otherwise than given"
        untrusted = s.run("curl", "-sS", "--max-time", "10", "--resolve", f"{NAME}:443:{address}", f"https://{NAME}/ping")
        assert untrusted.code == 60, untrusted


def plain_http_is_led_to_https_once(s):
    for address in addresses(s):
        lead = ["--resolve", f"{NAME}:80:{address}", "--resolve", f"{NAME}:443:{address}", "--cacert", s.ca, "-L", "--max-redirs", "5"]
        done = s.run("curl", "-sS", "-o", "/dev/null", "--max-time", "10", "-w", "%{http_code} %{num_redirects} %{url_effective}", *lead, f"http://{NAME}/dashboard/")
        assert done.must().out == f"200 1 https://{NAME}/dashboard/", done


def speaks(s, version, address, port=443):
    """A request by this version of TLS and no other. This machine's own openssl speaks the old one only when told to."""
    words = ["--ciphers", "DEFAULT@SECLEVEL=0"] if version == "1.1" else []
    return s.run("curl", "-sS", "-o", "/dev/null", "--max-time", "10", "--cacert", s.ca, "--resolve", f"{NAME}:{port}:{address}",
                 f"--tlsv{version}", "--tls-max", version, *words, f"https://{NAME}:{port}/ping")


def this_client_speaks_tls_1_1(s):
    """Or a refusal proves nothing: the same request is answered by a server that speaks nothing else."""
    folder = s.company.folder
    server = s.start("openssl", "s_server", "-accept", "127.0.0.1:24443", "-cert", folder / "leaf.pem", "-key", s.company.key, "-cert_chain", s.company.intermediate,
                     "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-www", "-quiet", log=s.work / "tls-1.1.log")
    try:
        until(10, lambda: speaks(s, "1.1", "127.0.0.1", 24443).code == 0, 0.2)
        assert speaks(s, "1.2", "127.0.0.1", 24443).code == 35, "the control speaks 1.2 as well"
    finally:
        s.kill(server)


def only_tls_1_2_and_newer(s):
    this_client_speaks_tls_1_1(s)
    for address in addresses(s):
        for version, code in (("1.1", 35), ("1.2", 0), ("1.3", 0)):
            done = speaks(s, version, address)
            assert done.code == code, f"TLS {version} at {address}: {done}"


def only_the_balancers_are_believed(s):
    node = next(iter(s.nodes.values()))
    forged = ["-H", f"Host: {NAME}", "-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-For: 6.6.6.6"]
    for place in s.nodes.values():
        answer = asked(s, f"http://{place}/forged-7", *forged)
        assert answer == f"302 https://{NAME}/forged-7", f"{place} believes a stranger: {answer}"
    for number in running(s):
        assert asked(s, f"http://{node}/v3/settings/server-version", *forged, through=number) == "200", "the balancer is not believed"
        assert asked(s, f"http://{node}/dashboard/", "-H", f"Host: {NAME}", through=number).startswith("302 "), "without the header there is no redirect"
    for address in addresses(s)[:len(running(s))]:
        s.curl(address, "/v3/settings/cacerts", s.ca, NAME, "-H", "X-Forwarded-For: 6.6.6.6", "-H", "X-Forwarded-Proto: http").must()
    strangers, clients = requests(s, "/forged-7"), requests(s, "/v3/settings/cacerts")
    assert len(strangers) == len(s.nodes) and not any("6.6.6.6" in line["x_forwarded_for"] for line in strangers), strangers
    mine = [line for line in clients if s.environment["LAB_GATEWAY"] in line["x_forwarded_for"]]
    assert mine and not any("6.6.6.6" in line["x_forwarded_for"] for line in clients), clients
    assert all(line["x_forwarded_proto"] in ("https", "wss") for line in mine), mine


def running(s):
    return [HAPROXY, NGINX][:len(addresses(s))]


def websockets_are_silent_for_long(s):
    """Longer than the usual sixty seconds of a proxy."""
    wires = {address: websocket(address, s.ca) for address in addresses(s)}
    time.sleep(70)
    for address, wire in wires.items():
        assert echoed(wire, "still there"), f"the WebSocket through {address} is gone"
        wire.close()
    return "70 s"


def a_node_is_killed_in_layer_7(s):
    note = gaps(s, "kill", s.ca, {"haproxy": addresses(s)[:1], "nginx": addresses(s)[1:]})
    healed(s)
    return f"longest gaps: {note}"


def a_node_hangs_in_layer_7(s):
    note = gaps(s, "pause", s.ca, {"haproxy": addresses(s)[:1], "nginx": addresses(s)[1:]})
    healed(s)
    return f"longest gaps: {note}"


def up_in_mode_external_with_a_ca_that_every_system_knows(s):
    """The company's root stands for a public one: it is what cowhand's machine trusts."""
    external(s, "")
    known = {"SSL_CERT_FILE": str(s.company.root)}
    done = s.cow("up", "--output", "plain", inventory=s.inventory, env=known).must()
    through_both(s, s.cow("verify", "--output", "json", inventory=s.inventory, env=known).must())
    mode = json.loads(s.curl(addresses(s)[0], "/v3/settings/agent-tls-mode", s.ca).must().out)["value"]
    assert mode == "system-store", mode
    assert s.curl(addresses(s)[0], "/cacerts", s.ca).must().out == "", "a CA is handed out"
    s.cow("verify", "--output", "plain", inventory=s.inventory).must(7)
    return f"up {done.seconds:.0f} s"


# ---- an address that floats

def keepalived_moves_the_address(s):
    """Two machines with haproxy, one address: it leaves the one where haproxy has ended, and comes back."""
    floating, options = s.environment["LAB_FLOATING"], ["--virtual-ip", s.environment["LAB_FLOATING"], "--interface", "eth0"]
    haproxy = text(s, "haproxy", "--certificate", s.pem)
    for number, address in zip((HAPROXY, NGINX), addresses(s)):
        file = text(s, "keepalived", *options, "--on", address)
        s.run("keepalived", "-t", "-f", file).must()
        pids = [word for kind in "prc" for word in (f"-{kind}", s.work / f"keepalived-{number}.{kind}")]
        balancer(s, number, "start", "--", "keepalived", "-n", "-l", "-D", "-f", file, *pids)
        start_haproxy(s, number, haproxy)
    first, second = HAPROXY, NGINX
    until(30, lambda: holders(s) == [first], 0.5)
    assert s.curl(floating, "/ping", s.ca).must().out == "pong"
    with Client({"keepalived": ping_of_several(s, [floating], s.ca)}) as client:
        until(20, lambda: client.since(0) > 5, 0.2)
        struck = time.monotonic()
        balancer(s, first, "exec", "--", "sh", "-c", f"kill $(cat {s.work}/haproxy-{first}.pid)")
        until(30, lambda: holders(s) == [second], 0.5)
        until(30, lambda: client.since(struck + 10) > 5, 0.2)
        start_haproxy(s, first, haproxy)
        until(30, lambda: holders(s) == [first], 0.5)
        time.sleep(2)
    return f"longest gap: {told(client, LONGEST)}"


def start_haproxy(s, number, file):
    balancer(s, number, "exec", "--", "haproxy", "-D", "-p", s.work / f"haproxy-{number}.pid", "-f", file)


def holders(s):
    """Numbers of the machines that have the floating address."""
    shown = {number: balancer(s, number, "exec", "--", "ip", "-o", "address", "show", "dev", "eth0") for number in (HAPROXY, NGINX)}
    return [number for number, said in shown.items() if f" {s.environment['LAB_FLOATING']}/" in said]


def nothing_stays(s):
    for number in (HAPROXY, NGINX):
        balancer(s, number, "stop")
    s.lab("dns", "usual")


STEPS = [
    machines_are_there, both_accept_their_text_and_run, up_and_verify_go_through_both, in_layer_4_nobody_is_believed,
    a_node_is_killed_in_layer_4, a_node_hangs_in_layer_4,
    both_end_tls_with_a_company_certificate, up_in_mode_external_with_a_private_ca, agents_get_the_company_ca,
    plain_http_is_led_to_https_once, only_tls_1_2_and_newer, only_the_balancers_are_believed, websockets_are_silent_for_long,
    a_node_is_killed_in_layer_7, a_node_hangs_in_layer_7, up_in_mode_external_with_a_ca_that_every_system_knows,
    keepalived_moves_the_address, nothing_stays,
]
