//! `services`: the processes of Kubernetes.

use serde_json::{Value, json};

use super::kinds::{
    Keys, described, flag, free, list, map, map_of, one_of, pem, refused, requiring, small, text, text_map, texts,
    whole, whole_or_unset,
};
use super::reasons::SECRET;

pub(super) fn services() -> Value {
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
fn service(keys: Keys) -> Value {
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

fn etcd_keys() -> Keys {
    let outside = "cowhand builds etcd on the nodes themselves; an etcd elsewhere is not supported";
    // The rules say which lines of backup_config are equal to these two.
    let old = || json!({"type": "string", "deprecated": true});
    vec![
        ("snapshot", flag()),
        ("creation", old()),
        ("retention", old()),
        (
            "backup_config",
            map([
                ("enabled", flag()),
                ("interval_hours", whole_or_unset()),
                ("retention", whole_or_unset()),
                ("timeout", whole_or_unset()),
                ("safe_timestamp", flag()),
                ("s3backupconfig", bucket()),
            ]),
        ),
        ("uid", whole_or_unset()),
        ("gid", whole_or_unset()),
        ("external_urls", refused(outside)),
        ("ca_cert", refused(outside)),
        ("cert", refused(outside)),
        ("key", refused(outside)),
        ("path", refused(outside)),
    ]
}

fn bucket() -> Value {
    let bucket = map([
        ("access_key", refused(SECRET)),
        ("secret_key", refused(SECRET)),
        ("bucket_name", described("The bucket's name.", text())),
        ("region", text()),
        ("endpoint", described("The server of the bucket, such as s3.amazonaws.com.", text())),
        ("custom_ca", described("The CA of the endpoint: PEM text, or the path of a file with it.", pem())),
        ("folder", text()),
    ]);
    requiring(&["bucket_name", "endpoint"], bucket)
}

fn kube_api_keys() -> Keys {
    let audit = map([
        ("max_age", whole()),
        ("max_backup", whole()),
        ("max_size", whole()),
        ("path", text()),
        ("format", text()),
        ("policy", audit_policy()),
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
        ("admission_configuration", admission()),
        ("event_rate_limit", map([("enabled", flag()), ("configuration", event_rates())])),
    ]
}

/// k8s.io/apiserver pkg/apis/audit/v1, which rke decodes as it stands.
fn audit_policy() -> Value {
    let stages = || list(one_of(&["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]));
    let resources = map([("group", text()), ("resources", texts()), ("resourceNames", texts())]);
    let rule = map([
        ("level", one_of(&["None", "Metadata", "Request", "RequestResponse"])),
        ("users", texts()),
        ("userGroups", texts()),
        ("verbs", texts()),
        ("resources", list(resources)),
        ("namespaces", texts()),
        ("nonResourceURLs", texts()),
        ("omitStages", stages()),
        ("omitManagedFields", flag()),
    ]);
    let policy = map([
        ("apiVersion", one_of(&["audit.k8s.io/v1"])),
        ("kind", one_of(&["Policy"])),
        ("metadata", map([("name", text()), ("creationTimestamp", refused("it says nothing here; remove it"))])),
        ("omitStages", stages()),
        ("omitManagedFields", flag()),
        ("rules", list(requiring(&["level"], rule))),
    ]);
    requiring(&["apiVersion", "kind"], policy)
}

/// k8s.io/apiserver pkg/apis/apiserver/v1.
fn admission() -> Value {
    let plugin = map([("name", text()), ("path", text()), ("configuration", free())]);
    let configuration = map([
        ("apiVersion", one_of(&["apiserver.config.k8s.io/v1"])),
        ("kind", one_of(&["AdmissionConfiguration"])),
        ("plugins", list(plugin)),
    ]);
    requiring(&["apiVersion", "kind"], configuration)
}

/// k8s.io/kubernetes plugin/pkg/admission/eventratelimit/apis.
fn event_rates() -> Value {
    let limit = map([
        ("type", one_of(&["Server", "Namespace", "User", "SourceAndObject"])),
        ("qps", small()),
        ("burst", small()),
        ("cacheSize", small()),
    ]);
    map([
        ("apiVersion", one_of(&["eventratelimit.admission.k8s.io/v1alpha1"])),
        ("kind", one_of(&["Configuration"])),
        ("limits", list(limit)),
    ])
}
