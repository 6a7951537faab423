"""Two cells of the TLS table on one cluster: a private CA's files, then a certificate by ACME with validation switched on."""
from . import canary
from .proving import secret
from .tls import a_company_a_public_ca_and_a_stranger, cell, own_acme, pebble_runs, private_files


def no_secret_is_anywhere(s):
    """The keys that came with ACME, of the account and of the certificate, and those of the cluster."""
    wanted = canary.of_workspace(s, the_ACME_accounts_key=secret(s, "cattle-issuer-acme", "tls.key"), the_certificates_key=secret(s, "tls-rancher-ingress", "tls.key"))
    return canary.no_secret_is_anywhere(s, wanted, {}, elsewhere=["the ssh key"])


def pebble_ends(s):
    s.lab("pebble", "stop")


# The first one is also the first `up`, with Rancher as RKE's addon.
STEPS = [
    a_company_a_public_ca_and_a_stranger, cell(private_files, watched=True), pebble_runs, cell(own_acme, watched=True), no_secret_is_anywhere, pebble_ends,
]
