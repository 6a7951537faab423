//! The keys of RKE's cluster.yml, as a JSON Schema. RKE reads its file without checking names, so that a misspelt key is
//! silently without effect; here it is a mistake with a place.
//!
//! Source: rancher/rke `types/rke_types.go` (release 1.6 to 1.8), with the remarks of `cluster/defaults.go` and
//! `cluster/validation.go`. A key that cowhand sets itself, or that must not stand in a readable file, is `refused`.
//! What depends on several keys is judged in `rules::rke_cluster`.

mod addons;
mod images;
pub(super) mod kinds;
mod reasons;
mod services;

use serde_json::{Value, json};

use kinds::{Keys, even_empty, flag, list, map, one_of_called, refused, text, text_map, texts, whole, whole_or_unset};
use reasons::SECRET;

/// The schema of `engine.rke.cluster`.
pub(super) fn cluster() -> Value {
    let mut keys = owned();
    keys.extend(settings());
    keys.extend([
        ("services", services::services()),
        ("network", addons::network()),
        ("dns", addons::dns()),
        ("ingress", addons::ingress()),
        ("monitoring", addons::monitoring()),
        ("system_images", images::system_images()),
        ("upgrade_strategy", upgrade_strategy()),
    ]);
    map(keys)
}

/// What cowhand writes itself, and why it is not given here.
fn owned() -> Keys {
    let ssh = "cowhand reaches the nodes with its own connections and lends them to rke; set `ssh` instead";
    vec![
        ("nodes", refused("cowhand writes the nodes from the inventory's own `nodes`")),
        ("addons", refused("cowhand puts Rancher here; your own manifests go into addons_include")),
        ("bastion_host", refused("cowhand reaches the nodes for rke; set `ssh.jump` instead")),
        ("ssh_key_path", refused(ssh)),
        ("ssh_cert_path", refused(ssh)),
        ("ssh_agent_auth", refused(ssh)),
        ("cluster_name", refused("cowhand writes the inventory's `name` here")),
        ("kubernetes_version", refused("set `engine.rke.kubernetes` instead")),
        (
            "ignore_docker_version",
            refused("it has no effect in the file: rke's command line overwrites it, and cowhand gives that"),
        ),
        ("restore", refused("it belongs to a restore, not to a description of the cluster")),
        ("rotate_certificates", refused("it is an order of one moment, not a description of the cluster")),
        ("rotate_encryption_key", refused("it is an order of one moment, not a description of the cluster")),
        ("win_prefix_path", refused("Windows nodes cannot take part")),
    ]
}

fn settings() -> Keys {
    vec![
        ("addons_include", texts()),
        ("addon_job_timeout", whole_or_unset()),
        ("authentication", authentication()),
        (
            "authorization",
            map([("mode", one_of_called("a mode that Rancher can live with", &["rbac"])), ("options", text_map())]),
        ),
        ("enable_cri_dockerd", flag()),
        ("cri_dockerd_stream_server_address", text()),
        ("cri_dockerd_stream_server_port", text()),
        ("prefix_path", text()),
        ("private_registries", list(registry())),
        ("cloud_provider", cloud_provider()),
    ]
}

fn authentication() -> Value {
    map([
        ("strategy", one_of_called("an authentication strategy of rke", &["x509", "x509|webhook"])),
        ("sans", texts()),
        ("webhook", map([("config_file", refused(SECRET)), ("cache_timeout", text())])),
    ])
}

fn registry() -> Value {
    // Without keys it goes by the rights of the nodes themselves (rancher/rke v1.8.0: docker/ecr.go).
    let ecr = even_empty(map([
        ("aws_access_key_id", refused(SECRET)),
        ("aws_secret_access_key", refused(SECRET)),
        ("aws_session_token", refused(SECRET)),
    ]));
    map([
        ("url", text()),
        ("user", text()),
        ("password", refused(SECRET)),
        ("is_default", flag()),
        ("ecr_credential_plugin", ecr),
    ])
}

fn cloud_provider() -> Value {
    // kubernetes.io/blog/2024/05/20/completing-cloud-provider-migration
    let gone = "the provider inside Kubernetes is gone since 1.31; set `name: external` (on AWS `external-aws`) and \
                install the provider's own controller";
    let name = "a cloud provider that is outside of Kubernetes (those inside it are gone since 1.31, and rke refuses aws \
                since 1.27)";
    map([
        ("name", one_of_called(name, &["external", "external-aws"])),
        ("useInstanceMetadataHostname", flag()),
        ("awsCloudProvider", refused(gone)),
        ("azureCloudProvider", refused(gone)),
        ("openstackCloudProvider", refused(gone)),
        ("vsphereCloudProvider", refused(gone)),
        ("harvesterCloudProvider", refused(SECRET)),
        ("customCloudProvider", refused(SECRET)),
    ])
}

fn upgrade_strategy() -> Value {
    map([
        ("max_unavailable_worker", text()),
        ("max_unavailable_controlplane", text()),
        ("drain", flag()),
        (
            "node_drain_input",
            map([
                ("force", flag()),
                ("ignore_daemonsets", flag()),
                ("delete_local_data", flag()),
                ("grace_period", json!({"type": "integer", "minimum": -1})),
                ("timeout", whole()),
            ]),
        ),
    ])
}
