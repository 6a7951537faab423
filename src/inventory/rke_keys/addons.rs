//! What rke installs into the cluster: network, DNS, ingress, metrics.

use serde_json::{Value, json};

use super::kinds::{
    even_empty, flag, list, map, map_of, number, one_of, one_of_called, port, refused, requiring, small, text,
    text_map, texts, whole, whole_or_unset,
};
use super::reasons::SECRET;

pub(super) fn network() -> Value {
    map([
        ("plugin", one_of(&["canal", "flannel", "calico", "none"])),
        ("options", text_map()),
        ("mtu", whole_or_unset()),
        ("calico_network_provider", map([("cloudprovider", text())])),
        ("canal_network_provider", map([("iface", text())])),
        ("flannel_network_provider", map([("iface", text())])),
        (
            "weave_network_provider",
            refused("weave is refused by rke since Kubernetes 1.30; choose canal, calico or flannel"),
        ),
        ("aci_network_provider", refused(SECRET)),
        ("node_selector", text_map()),
        ("update_strategy", daemon_set_update()),
        ("tolerations", tolerations()),
        ("enable_br_netfilter", flag()),
    ])
}

pub(super) fn dns() -> Value {
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
                ("update_strategy", daemon_set_update()),
                ("node_local_dns_priority_class_name", text()),
            ]),
        ),
        ("update_strategy", deployment_update()),
        (
            "linear_autoscaler_params",
            map([
                ("cores_per_replica", number()),
                ("nodes_per_replica", number()),
                ("min", whole()),
                ("max", whole()),
                ("prevent_single_point_failure", flag()),
            ]),
        ),
        ("tolerations", tolerations()),
        ("options", text_map()),
    ])
}

pub(super) fn ingress() -> Value {
    map([
        ("provider", refused("set `ingress.provider` instead (at the top of the inventory)")),
        ("options", text_map()),
        ("extra_args", text_map()),
        ("node_selector", text_map()),
        (
            "dns_policy",
            one_of_called("a DNS policy of pods", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
        ),
        ("extra_envs", list(variable())),
        ("extra_volumes", list(volume())),
        ("extra_volume_mounts", list(volume_mount())),
        ("update_strategy", daemon_set_update()),
        ("http_port", port()),
        ("https_port", port()),
        ("network_mode", one_of(&["hostPort", "hostNetwork", "none"])),
        ("tolerations", tolerations()),
        ("default_backend", flag()),
        ("default_http_backend_priority_class_name", text()),
        ("nginx_ingress_controller_priority_class_name", text()),
        ("default_ingress_class", flag()),
    ])
}

pub(super) fn monitoring() -> Value {
    map([
        ("provider", one_of(&["metrics-server", "none"])),
        ("options", text_map()),
        ("node_selector", text_map()),
        ("update_strategy", deployment_update()),
        ("replicas", small()),
        ("tolerations", tolerations()),
        ("metrics_server_priority_class_name", text()),
    ])
}

/// k8s.io/api core/v1 `EnvVar`.
fn variable() -> Value {
    let from = || map([("name", text()), ("key", text()), ("optional", flag())]);
    let source = map([
        ("fieldRef", map([("apiVersion", text()), ("fieldPath", text())])),
        ("configMapKeyRef", from()),
        ("secretKeyRef", from()),
    ]);
    requiring(&["name"], map([("name", text()), ("value", text()), ("valueFrom", source)]))
}

/// The usual sources of k8s.io/api core/v1 `Volume`.
fn volume() -> Value {
    let file = || map([("key", text()), ("path", text()), ("mode", small())]);
    let from = |name: &'static str| {
        map([(name, text()), ("items", list(file())), ("defaultMode", small()), ("optional", flag())])
    };
    let volume = map([
        ("name", text()),
        ("hostPath", map([("path", text()), ("type", text())])),
        ("emptyDir", even_empty(map([("medium", text())]))),
        ("configMap", from("name")),
        ("secret", from("secretName")),
        ("persistentVolumeClaim", map([("claimName", text()), ("readOnly", flag())])),
        ("nfs", map([("server", text()), ("path", text()), ("readOnly", flag())])),
    ]);
    requiring(&["name"], volume)
}

fn volume_mount() -> Value {
    let mount = map([
        ("name", text()),
        ("mountPath", text()),
        ("subPath", text()),
        ("subPathExpr", text()),
        ("readOnly", flag()),
        ("mountPropagation", one_of(&["None", "HostToContainer", "Bidirectional"])),
    ]);
    requiring(&["name", "mountPath"], mount)
}

/// rke reads these with a YAML parser that knows no JSON names, only Go's in small letters (types/rke_types.go:
/// `[]v1.Toleration`).
fn tolerations() -> Value {
    list(map([
        ("key", text()),
        ("operator", one_of(&["Exists", "Equal"])),
        ("value", text()),
        ("effect", one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"])),
        ("tolerationseconds", whole()),
        (
            "tolerationSeconds",
            refused("rke drops this spelling without a word, and the pod would stay for ever; write tolerationseconds"),
        ),
    ]))
}

/// rke's own `strategy` in the place of Kubernetes' `type` (types/update_strategy_types.go).
fn update(words: &[&str], rolling: Value) -> Value {
    map([
        ("strategy", one_of(words)),
        ("type", refused("rke drops it without a word; it calls this key strategy")),
        ("rollingUpdate", rolling),
    ])
}

fn daemon_set_update() -> Value {
    update(&["RollingUpdate", "OnDelete"], map([("maxUnavailable", count_or_share()), ("maxSurge", count_or_share())]))
}

fn deployment_update() -> Value {
    update(&["RollingUpdate", "Recreate"], map([("maxUnavailable", count_or_share()), ("maxSurge", count_or_share())]))
}

/// Kubernetes' IntOrString: `1` or `25%`.
fn count_or_share() -> Value {
    json!({"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,3}%$"})
}
