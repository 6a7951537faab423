"""The proof from outside: every path told, names that lead elsewhere, a node that is gone, a wrong CA, and a minute of silence."""
import json

from .scene import until

NAME = "rancher.lab.test"


def findings(done):
    return [e["finding"] for e in done.events("finding")]


def loud(done):
    return {(f["check"], f["subject"]) for f in findings(done) if f["verdict"] != "pass"}


def verify(s, *words, code=0):
    return s.cow("verify", "--output", "json", *words, inventory=s.inventory).must(code)


def rancher_stands(s):
    s.fresh_lab()
    s.inventory = s.workspace("outside")
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    told = (done.out + done.err).count("does not provide true failover")
    assert told == 1, f"the warning about round robin was told {told} times"
    return f"{done.seconds:.0f} s"


def every_path_is_told_with_evidence(s):
    done = verify(s)
    found = findings(done)
    assert not loud(done), loud(done)
    addresses = list(s.nodes.values())
    paths = set(s.nodes) | {f"dns {a}" for a in addresses} | {f"{n}→dns {a}" for n in s.nodes for a in addresses}
    for check in ("reached", "trusted", "protocol", "ping", "cacerts", "redirect", "no-loop", "websocket"):
        seen = {f["subject"] for f in found if f["check"] == f"outside.{check}"}
        assert seen == paths, f"outside.{check}: {seen ^ paths}"
    for check in ("ping-insecure", "cacerts-checksum", "trust", "connect"):
        seen = {f["subject"] for f in found if f["check"] == f"agent.{check}"}
        assert seen == {p for p in paths if "dns" in p}, f"agent.{check}: {seen}"
    assert all(f["seen"] for f in found), "a finding without evidence"
    plain = s.cow("verify", "--output", "plain", inventory=s.inventory).must()
    assert len(plain.out.splitlines()) < 6, f"all is well, and yet so many words:\n{plain}"
    return f"{len(found)} findings in {done.seconds:.1f} s"


def a_name_that_leads_elsewhere_is_named_with_both_sides(s):
    s.lab("dns", NAME, "10.9.9.9")
    try:
        done = s.cow("verify", "--output", "plain", inventory=s.inventory).must(7)
        done.says("outside.name", f"it leads to 10.9.9.9, expected the nodes {next(iter(s.nodes.values()))}")
        s.cow("check", "--output", "plain", inventory=s.inventory).must().says("dns.laptop", "dns.nodes", "10.9.9.9")
        skipped = s.cow("verify", "--output", "json", "--skip", "outside.name", inventory=s.inventory)
        assert all(f["skipped"] for f in findings(skipped) if f["check"] == "outside.name"), skipped
    finally:
        s.lab("dns", "usual")


def a_name_that_is_gone_fails_after_and_warns_before(s):
    s.lab("dns", NAME)
    try:
        assert ("outside.name", "dns") in loud(verify(s, code=7))
        s.cow("check", "--output", "plain", inventory=s.inventory).must().says("does not resolve")
    finally:
        s.lab("dns", "usual")


def a_node_that_resolves_by_itself_is_named(s):
    name = list(s.nodes)[1]
    s.node(name, f"cp /etc/hosts /tmp/hosts && echo '10.9.9.9 {NAME}' >> /etc/hosts")
    try:
        found = loud(verify(s, code=7))
        assert ("outside.name", f"{name}→dns") in found and all(subject.startswith(f"{name}→dns") for _, subject in found), found
    finally:
        # Docker mounts that file: it is written, not moved
        s.node(name, "cat /tmp/hosts > /etc/hosts && rm /tmp/hosts")


def a_certificate_of_another_ca_is_told_for_browsers_and_agents(s):
    folder = s.inventory.parent
    kept = s.kubectl(s.inventory, "-n", "cattle-system", "get", "secret", "tls-rancher-ingress", "-o", "json")
    s.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "x.key", "-out", folder / "x.crt", "-days", "2",
          "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}").must()
    # cert-manager would put its own back at once
    s.kubectl(s.inventory, "-n", "cert-manager", "scale", "deploy", "cert-manager", "--replicas=0")
    pair = s.kubectl(s.inventory, "-n", "cattle-system", "create", "secret", "tls", "tls-rancher-ingress", f"--cert={folder / 'x.crt'}", f"--key={folder / 'x.key'}",
                     "--dry-run=client", "-o", "yaml")
    try:
        s.kubectl(s.inventory, "-n", "cattle-system", "patch", "secret", "tls-rancher-ingress", "--patch-file=/dev/stdin", input=pair)
        told = until(60, lambda: s.cow("verify", "--output", "json", inventory=s.inventory).code == 7 and verify(s, code=7), 2)
        checks = {check for check, _ in loud(told)}
        assert {"outside.trusted", "agent.trust"} <= checks and "outside.cacerts" not in checks, checks
    finally:
        old = {"data": json.loads(kept)["data"]}
        s.kubectl(s.inventory, "-n", "cattle-system", "patch", "secret", "tls-rancher-ingress", "-p", json.dumps(old))
        s.kubectl(s.inventory, "-n", "cert-manager", "scale", "deploy", "cert-manager", "--replicas=1")
    until(60, lambda: s.cow("verify", inventory=s.inventory).code == 0, 2)


def a_websocket_lives_through_a_minute_of_silence(s):
    done = s.cow("verify", "--thorough", "--output", "plain", "-v", inventory=s.inventory).must()
    done.says("outside.websocket-silence", "after 65 s of silence", "silent for 20 of 65 s")
    assert 65 < done.seconds < 110, done.seconds
    return f"{done.seconds:.0f} s"


STEPS = [
    rancher_stands, every_path_is_told_with_evidence, a_name_that_leads_elsewhere_is_named_with_both_sides,
    a_name_that_is_gone_fails_after_and_warns_before, a_node_that_resolves_by_itself_is_named,
    a_certificate_of_another_ca_is_told_for_browsers_and_agents, a_websocket_lives_through_a_minute_of_silence,
]
