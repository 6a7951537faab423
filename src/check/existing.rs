//! A cluster that is there: does it answer, does it fit, and may we do there what `up` does.

use serde_json::{Value, json};

use crate::cluster::{NodeSeen, Taint};
use crate::facts::existing::{ClusterObserved, ExistingSeen};

use super::compatibility::rancher_on;
use super::{Answer, Check, Context, Verdict};
use crate::inventory::versions::{self, KubernetesVersion};

/// Asks the cluster, when one was looked at and answered; why it did not is `existing.reachable`'s business.
pub(super) fn of_cluster(context: &Context, judge: impl Fn(&ExistingSeen) -> Vec<Answer>) -> Vec<Answer> {
    context.cluster.and_then(ClusterObserved::seen).map(judge).unwrap_or_default()
}

pub const REACHABLE: Check = Check {
    id: "existing.reachable",
    what: "the existing cluster's API answers, and accepts the kubeconfig's user",
    why: "a cluster that was not seen cannot be judged",
    fix: "see the reason in the finding: address, CA, credentials, VPN",
    run: reachable,
    offline: false,
};

fn reachable(context: &Context) -> Vec<Answer> {
    let (Some(cluster), Some(existing)) = (context.cluster, context.inventory.engine.given_cluster()) else {
        return Vec::new();
    };
    vec![match cluster {
        ClusterObserved::Reached(seen) => {
            Answer::pass(format!("Kubernetes {} answers; {}", seen.version, storage(seen)))
        }
        ClusterObserved::Unreachable { reason, hint } => {
            let path = existing.kubeconfig.display();
            let which = existing.context.as_ref().map(|name| format!(" --context {name}")).unwrap_or_default();
            let by_hand = format!("try `kubectl --kubeconfig {path}{which} version` by hand");
            let fix = hint.as_ref().map_or_else(|| by_hand.clone(), |hint| format!("{hint}; {by_hand}"));
            Answer::fail(reason.clone(), fix)
        }
    }]
}

/// Rancher keeps everything in the cluster's own etcd.
fn storage(seen: &ExistingSeen) -> String {
    match &seen.storage {
        Ok(Some(class)) => format!("its default StorageClass is {class}, and none is needed"),
        Ok(None) => "it has no default StorageClass, and none is needed".into(),
        Err(_) => "whether it has a default StorageClass was not seen, and none is needed".into(),
    }
}

pub const KUBERNETES: Check = Check {
    id: "existing.kubernetes",
    what: "Rancher's chart accepts the Kubernetes that is there",
    why: "helm stops with `chart requires kubeVersion … which is incompatible`; and from 2.12 on Rancher refuses a cluster of RKE",
    fix: "choose a Rancher whose line supports this Kubernetes",
    run: kubernetes,
    offline: false,
};

fn kubernetes(context: &Context) -> Vec<Answer> {
    let rancher = &context.inventory.rancher.version;
    of_cluster(context, |seen| {
        let Some(version) = KubernetesVersion::read(&seen.version) else {
            return vec![Answer::warn(
                format!("`{}` is not a version that can be compared", seen.version),
                "see SUSE's support matrix",
            )];
        };
        let last = versions::LAST_RANCHER_ON_RKE;
        let mut answers = vec![rancher_on(rancher, version)];
        let fix = format!("set rancher.version to a release of {}.{}", last.0, last.1);
        match &seen.built_by_rke {
            Ok(false) => {}
            Ok(true) | Err(_) if (rancher.major, rancher.minor) <= last => {}
            Ok(true) => {
                let seen = format!("the cluster was built by RKE, on which Rancher {rancher} does not run");
                answers.push(Answer::fail(seen, fix));
            }
            Err(unseen) => answers.push(Answer::unknown("whether the cluster was built by RKE", unseen, fix)),
        }
        answers
    })
}

pub const NODES: Check = Check {
    id: "existing.nodes",
    what: "at least three nodes are Ready and take Rancher's pods",
    why: "Rancher's three replicas belong on three nodes; with fewer, losing one machine loses more than one of them",
    fix: "see `kubectl get nodes`; uncordon, repair or add nodes; a taint is taken away, or tolerated by rancher.values.extraTolerations",
    run: nodes,
    offline: false,
};

/// One node for each replica that the published chart has by default.
const ENOUGH: usize = 3;

/// Why Rancher's pods would not come to a node, if so.
fn keeps_away(node: &NodeSeen, tolerations: &[Value]) -> Option<String> {
    if !node.ready {
        return Some(format!("{} is not Ready: {}", node.name, node.message));
    }
    if node.unschedulable {
        return Some(format!("{} is closed for new pods", node.name));
    }
    let tolerated = |taint: &&Taint| tolerations.iter().any(|toleration| taint.tolerated_by(toleration));
    let taint = node.taints.iter().find(|taint| !tolerated(taint))?;
    Some(format!("{} keeps them away by its taint {taint}", node.name))
}

/// The chart's own one (rancher/rancher: chart/templates/_helpers.tpl, linux-node-tolerations), and what its value
/// `extraTolerations` adds.
fn tolerations(context: &Context) -> Vec<Value> {
    let own = json!({"key": "cattle.io/os", "value": "linux", "effect": "NoSchedule", "operator": "Equal"});
    let more = context.inventory.rancher.values.get("extraTolerations").and_then(Value::as_array);
    std::iter::once(own).chain(more.into_iter().flatten().cloned()).collect()
}

fn nodes(context: &Context) -> Vec<Answer> {
    let tolerations = tolerations(context);
    of_cluster(context, |seen| {
        let nodes = match &seen.nodes {
            Ok(nodes) => nodes,
            Err(unseen) => return vec![Answer::unknown("the nodes", unseen, "look again")],
        };
        let bad: Vec<String> = nodes.iter().filter_map(|node| keeps_away(node, &tolerations)).collect();
        let good = nodes.len() - bad.len();
        let said = format!("{good} of {} nodes are Ready and take Rancher's pods", nodes.len());
        let seen = if bad.is_empty() { said } else { format!("{said}; {}", bad.join("; ")) };
        vec![match good {
            0..ENOUGH => Answer::fail(
                seen,
                "see `kubectl describe node`; three are needed for three replicas. A taint is taken away by \
                 `kubectl taint node NODE KEY-`, or tolerated by rancher.values.extraTolerations",
            ),
            _ if bad.is_empty() => Answer::pass(seen),
            _ => Answer::warn(seen, "see `kubectl describe node`; Rancher runs on the others meanwhile"),
        }]
    })
}

pub const AGGREGATION: Check = Check {
    id: "existing.aggregation",
    what: "every aggregated API answers, and the cluster can have aggregated APIs",
    why: "one that does not answer keeps helm from reading all kinds and namespaces from going away; Rancher has such an API itself from 2.12 on",
    fix: "see `kubectl get apiservices`; repair or remove the one that is not available",
    run: aggregation,
    offline: false,
};

/// The first Rancher that does not start without an aggregated API of its own (rancher/rancher#51003).
const NEEDS_AGGREGATION: (u64, u64) = (2, 12);

fn aggregation(context: &Context) -> Vec<Answer> {
    let version = &context.inventory.rancher.version;
    of_cluster(context, |seen| {
        let mut answers = match &seen.api_services {
            Ok(services) => {
                let ill = services.iter().filter_map(|one| Some((&one.name, one.unavailable.as_ref()?)));
                ill.map(|(name, why)| {
                    let fix = format!("see `kubectl describe apiservice {name}`; repair what serves it, or remove it");
                    Answer::fail(format!("{name} is not available: {why}"), fix).about(name)
                })
                .collect()
            }
            Err(unseen) => vec![Answer::unknown("the aggregated APIs", unseen, "look again")],
        };
        let needs = (version.major, version.minor) >= NEEDS_AGGREGATION;
        let fix =
            "give the API server --requestheader-client-ca-file and --proxy-client-cert-file (the aggregation layer)";
        let without = "ConfigMap kube-system/extension-apiserver-authentication has no requestheader-client-ca-file";
        match (&seen.aggregation, needs) {
            (Ok(true), _) => {}
            (Ok(false), true) => answers.push(Answer::fail(format!("{without}; Rancher {version} needs it"), fix)),
            (Ok(false), false) => answers.push(Answer::warn(without, fix)),
            (Err(unseen), true) => answers.push(Answer::unknown("the aggregation layer", unseen, fix)),
            (Err(unseen), false) => answers.push(Answer::unseen_advice("the aggregation layer", unseen, fix)),
        }
        if answers.iter().all(|answer| answer.verdict == Verdict::Pass) {
            let count = seen.api_services.as_ref().map_or(0, Vec::len);
            answers.push(Answer::pass(format!("{count} aggregated APIs, all available")));
        }
        answers
    })
}
