"""Two cells of the TLS table on one cluster: a private CA's files, then a certificate by ACME with validation switched on."""
from .tls import a_company_a_public_ca_and_a_stranger, cell, own_acme, pebble_runs, private_files


def pebble_ends(s):
    s.lab("pebble", "stop")


# The first one is also the first `up`, with Rancher as RKE's addon.
STEPS = [a_company_a_public_ca_and_a_stranger, cell(private_files), pebble_runs, cell(own_acme), pebble_ends]
