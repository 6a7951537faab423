"""Mode external in short: a company's certificate at a real haproxy, and a node that is killed."""
from . import canary
from .balancers import (HAPROXY, addresses, agents_get_the_company_ca, all_up, balancer, company_certificate, external, gaps, healed, names_lead_to,
                        only_the_balancers_are_believed, only_tls_1_2_and_newer, plain_http_is_led_to_https_once, run_haproxy, through_both)
from .scene import until


def machines_and_a_certificate_are_there(s):
    s.fresh_lab()
    s.environment["LAB_BALANCERS"] = addresses(s)[0]
    company_certificate(s)
    s.inventory = s.workspace("external", lambda text: text + f"load_balancers: [{addresses(s)[0]}]\n")
    (s.inventory.parent / "company-ca.pem").write_bytes(s.company.root.read_bytes())
    external(s, ", ca: company-ca.pem")
    names_lead_to(s, *addresses(s))


def haproxy_accepts_its_text_and_runs(s):
    run_haproxy(s, "--certificate", s.pem)


def up_and_verify_go_through_haproxy(s):
    with canary.Sampler(s) as s.sampler:
        done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.up_text = done.out + done.err
    through_both(s, s.cow("verify", "--output", "json", inventory=s.inventory).must())
    until(60, lambda: all_up(s))
    return f"up {done.seconds:.0f} s"


def a_node_is_killed(s):
    note = gaps(s, "kill", s.ca, {"haproxy": addresses(s)}, watched=20)
    healed(s)
    return f"longest gap: {note}"


def no_secret_is_anywhere(s):
    """The balancer has the leaf's key; cowhand was never given it, and what it was not given it cannot tell. The rest is the cluster's."""
    wanted = canary.of_workspace(s, the_leafs_key=s.company.key.read_text())
    return canary.no_secret_is_anywhere(s, wanted, {"what up said": s.up_text}, elsewhere=["the ssh key", "the leafs key"])


def nothing_stays(s):
    balancer(s, HAPROXY, "stop")
    s.lab("dns", "usual")


STEPS = [
    machines_and_a_certificate_are_there, haproxy_accepts_its_text_and_runs, up_and_verify_go_through_haproxy, agents_get_the_company_ca,
    plain_http_is_led_to_https_once, only_tls_1_2_and_newer, only_the_balancers_are_believed, no_secret_is_anywhere, a_node_is_killed, nothing_stays,
]
