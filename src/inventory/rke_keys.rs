//! The keys of RKE's cluster.yml, as a JSON Schema. RKE reads its file without checking names, so that a misspelt key is
//! silently without effect; here it is a mistake with a place.
//!
//! Source: rancher/rke `types/rke_types.go` (release 1.6 to 1.8), with the remarks of `cluster/defaults.go` and
//! `cluster/validation.go`. A key that cowhand sets itself, or that must not stand in a readable file, is `refused`.

use serde_json::{Map, Value, json};

const SECRET: &str = "a secret would stand readable in cluster.yml, in cluster.rkestate and in rke's log; \
                      use what needs none here (a registry or bucket the nodes may reach by their own right)";

/// The schema of `engine.rke.cluster`.
pub(super) fn cluster() -> Value {
    let mut keys = owned();
    keys.extend(settings());
    keys.extend([
        ("services", services()),
        ("network", network()),
        ("dns", dns()),
        ("ingress", ingress()),
        ("system_images", system_images()),
        ("upgrade_strategy", upgrade_strategy()),
    ]);
    map(keys)
}

/// What cowhand writes itself, and why it is not given here.
fn owned() -> Vec<(&'static str, Value)> {
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

fn settings() -> Vec<(&'static str, Value)> {
    vec![
        ("addons_include", texts()),
        ("addon_job_timeout", whole()),
        (
            "authentication",
            map([
                ("strategy", text()),
                ("sans", texts()),
                ("webhook", map([("config_file", refused(SECRET)), ("cache_timeout", text())])),
            ]),
        ),
        ("authorization", map([("mode", one_of(&["rbac", "none"])), ("options", text_map())])),
        ("enable_cri_dockerd", flag()),
        ("cri_dockerd_stream_server_address", text()),
        ("cri_dockerd_stream_server_port", text()),
        ("prefix_path", text()),
        (
            "monitoring",
            map([
                ("provider", one_of(&["metrics-server", "none"])),
                ("options", text_map()),
                ("node_selector", text_map()),
                ("update_strategy", free()),
                ("replicas", whole()),
                ("tolerations", free_list()),
                ("metrics_server_priority_class_name", text()),
            ]),
        ),
        (
            "private_registries",
            list(map([
                ("url", text()),
                ("user", text()),
                ("password", refused(SECRET)),
                ("is_default", flag()),
                (
                    "ecr_credential_plugin",
                    map([
                        ("aws_access_key_id", refused(SECRET)),
                        ("aws_secret_access_key", refused(SECRET)),
                        ("aws_session_token", refused(SECRET)),
                    ]),
                ),
            ])),
        ),
        ("cloud_provider", cloud_provider()),
    ]
}

fn cloud_provider() -> Value {
    // kubernetes.io/blog/2024/05/20/completing-cloud-provider-migration
    let gone = "the provider inside Kubernetes is gone since 1.31; install the provider's own controller and set \
                `cloud-provider: external` in services.kubelet.extra_args";
    map([
        ("name", text()),
        ("useInstanceMetadataHostname", flag()),
        ("awsCloudProvider", refused(gone)),
        ("azureCloudProvider", refused(gone)),
        ("openstackCloudProvider", refused(gone)),
        ("vsphereCloudProvider", refused(gone)),
        ("harvesterCloudProvider", refused(SECRET)),
        ("customCloudProvider", refused(SECRET)),
    ])
}

fn services() -> Value {
    map([
        ("etcd", service(etcd_keys())),
        ("kube-api", service(kube_api_keys())),
        ("kube-controller", service(vec![("cluster_cidr", text()), ("service_cluster_ip_range", text())])),
        ("scheduler", service(vec![])),
        (
            "kubelet",
            service(vec![
                ("cluster_domain", text()),
                ("infra_container_image", text()),
                ("cluster_dns_server", text()),
                ("fail_swap_on", flag()),
                ("generate_serving_certificate", flag()),
            ]),
        ),
        ("kubeproxy", service(vec![])),
    ])
}

/// A service's own keys, and those that all services have.
fn service(keys: Vec<(&'static str, Value)>) -> Value {
    let windows = "Windows nodes cannot take part";
    let mut all = vec![
        ("image", refused("rke ignores it; set the image under system_images")),
        ("extra_args", text_map()),
        ("extra_args_array", map_of(texts())),
        ("extra_binds", texts()),
        ("extra_env", texts()),
        ("win_extra_args", refused(windows)),
        ("win_extra_args_array", refused(windows)),
        ("win_extra_binds", refused(windows)),
        ("win_extra_env", refused(windows)),
    ];
    all.extend(keys);
    map(all)
}

fn etcd_keys() -> Vec<(&'static str, Value)> {
    let outside = "cowhand builds etcd on the nodes themselves; an etcd elsewhere is not supported";
    let bucket = map([
        ("access_key", refused(SECRET)),
        ("secret_key", refused(SECRET)),
        ("bucket_name", text()),
        ("region", text()),
        ("endpoint", text()),
        ("custom_ca", text()),
        ("folder", text()),
    ]);
    vec![
        ("snapshot", flag()),
        ("creation", refused("it is old; set backup_config.interval_hours instead")),
        ("retention", refused("it is old; set backup_config.retention (a number of snapshots) instead")),
        (
            "backup_config",
            map([
                ("enabled", flag()),
                ("interval_hours", whole()),
                ("retention", whole()),
                ("timeout", whole()),
                ("safe_timestamp", flag()),
                ("s3backupconfig", bucket),
            ]),
        ),
        ("uid", whole()),
        ("gid", whole()),
        ("external_urls", refused(outside)),
        ("ca_cert", refused(outside)),
        ("cert", refused(outside)),
        ("key", refused(outside)),
        ("path", refused(outside)),
    ]
}

fn kube_api_keys() -> Vec<(&'static str, Value)> {
    let audit = map([
        ("max_age", whole()),
        ("max_backup", whole()),
        ("max_size", whole()),
        ("path", text()),
        ("format", text()),
        ("policy", free()),
    ]);
    vec![
        ("service_cluster_ip_range", text()),
        ("service_node_port_range", text()),
        ("pod_security_policy", refused("it is gone since Kubernetes 1.25; see pod_security_configuration")),
        ("pod_security_configuration", one_of(&["privileged", "restricted"])),
        ("always_pull_images", flag()),
        (
            "secrets_encryption_config",
            map([
                ("enabled", flag()),
                ("custom_config", refused("it holds a key, readable; `enabled: true` lets rke make and keep one")),
            ]),
        ),
        ("audit_log", map([("enabled", flag()), ("configuration", audit)])),
        ("admission_configuration", free()),
        ("event_rate_limit", map([("enabled", flag()), ("configuration", free())])),
    ]
}

fn network() -> Value {
    map([
        ("plugin", one_of(&["canal", "flannel", "calico", "none"])),
        ("options", text_map()),
        ("mtu", whole()),
        ("calico_network_provider", map([("cloudprovider", text())])),
        ("canal_network_provider", map([("iface", text()), ("blackhole_route", text())])),
        ("flannel_network_provider", map([("iface", text())])),
        (
            "weave_network_provider",
            refused("weave is refused by rke since Kubernetes 1.30; choose canal, calico or flannel"),
        ),
        ("aci_network_provider", refused(SECRET)),
        ("node_selector", text_map()),
        ("update_strategy", free()),
        ("tolerations", free_list()),
        ("enable_br_netfilter", flag()),
    ])
}

fn dns() -> Value {
    map([
        ("provider", one_of(&["coredns", "none"])),
        ("upstreamnameservers", texts()),
        ("reversecidrs", texts()),
        ("stubdomains", map_of(texts())),
        ("node_selector", text_map()),
        (
            "nodelocal",
            map([
                ("ip_address", text()),
                ("node_selector", text_map()),
                ("update_strategy", free()),
                ("node_local_dns_priority_class_name", text()),
            ]),
        ),
        ("update_strategy", free()),
        (
            "linear_autoscaler_params",
            map([
                ("cores_per_replica", json!(true)),
                ("nodes_per_replica", json!(true)),
                ("min", whole()),
                ("max", whole()),
                ("prevent_single_point_failure", flag()),
            ]),
        ),
        ("tolerations", free_list()),
        ("options", text_map()),
    ])
}

fn ingress() -> Value {
    map([
        ("provider", refused("set `ingress.provider` instead (at the top of the inventory)")),
        ("options", text_map()),
        ("extra_args", text_map()),
        ("node_selector", text_map()),
        ("dns_policy", text()),
        ("extra_envs", free_list()),
        ("extra_volumes", free_list()),
        ("extra_volume_mounts", free_list()),
        ("update_strategy", free()),
        ("http_port", whole()),
        ("https_port", whole()),
        ("network_mode", one_of(&["hostPort", "hostNetwork", "none"])),
        ("tolerations", free_list()),
        ("default_backend", flag()),
        ("default_http_backend_priority_class_name", text()),
        ("nginx_ingress_controller_priority_class_name", text()),
        ("default_ingress_class", flag()),
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

fn system_images() -> Value {
    const NAMES: &[&str] = &[
        "etcd",
        "alpine",
        "nginx_proxy",
        "cert_downloader",
        "kubernetes_services_sidecar",
        "kubedns",
        "dnsmasq",
        "kubedns_sidecar",
        "kubedns_autoscaler",
        "coredns",
        "coredns_autoscaler",
        "nodelocal",
        "kubernetes",
        "flannel",
        "flannel_cni",
        "calico_node",
        "calico_cni",
        "calico_controllers",
        "calico_ctl",
        "calico_flexvol",
        "canal_node",
        "canal_cni",
        "canal_controllers",
        "canal_flannel",
        "canal_flexvol",
        "weave_node",
        "weave_cni",
        "pod_infra_container",
        "ingress",
        "ingress_backend",
        "ingress_webhook",
        "metrics_server",
        "windows_pod_infra_container",
        "aci_cni_deploy_container",
        "aci_host_container",
        "aci_opflex_container",
        "aci_mcast_container",
        "aci_ovs_container",
        "aci_controller_container",
        "aci_gbp_server_container",
        "aci_opflex_server_container",
    ];
    map(NAMES.iter().map(|name| (*name, text())))
}

/// Values of Rancher's chart (2.9 to 2.15) that follow from other keys of the inventory; all others are free.
pub(super) fn rancher_values() -> Value {
    let tls = "it follows from `rancher.tls`";
    let open = |keys: Vec<(&'static str, Value)>| {
        let keys: Map<_, _> = keys.into_iter().map(named).collect();
        json!({"type": "object", "additionalProperties": true, "properties": keys})
    };
    open(vec![
        ("hostname", refused("set `rancher.hostname` instead")),
        ("replicas", refused("set `rancher.replicas` instead")),
        ("bootstrapPassword", refused("it is a secret; give the path of a file in `rancher.bootstrap_password`")),
        ("tls", refused(tls)),
        ("privateCA", refused(tls)),
        ("agentTLSMode", refused("set `rancher.tls.agent_tls_mode` instead")),
        ("letsEncrypt", refused("set `rancher.tls.acme` instead")),
        (
            "ingress",
            open(vec![
                ("tls", refused(tls)),
                ("servicePort", refused(tls)),
                ("ingressClassName", refused("set `ingress.class` instead (at the top of the inventory)")),
            ]),
        ),
        ("service", open(vec![("disableHTTP", refused(tls))])),
    ])
}

fn named((name, schema): (&'static str, Value)) -> (String, Value) {
    (name.to_owned(), schema)
}

fn map(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let keys: Map<_, _> = keys.into_iter().map(named).collect();
    json!({"type": "object", "additionalProperties": false, "properties": keys})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn free() -> Value {
    json!({"type": "object", "additionalProperties": true})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn free_list() -> Value {
    list(free())
}

fn texts() -> Value {
    list(text())
}

fn map_of(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

fn text_map() -> Value {
    map_of(text())
}

fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// A key that is known, but not to be set here.
fn refused(reason: &str) -> Value {
    json!({"not": {}, "description": reason})
}
