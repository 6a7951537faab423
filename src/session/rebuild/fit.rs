//! A snapshot made fit before anything starts on it, in a throw-away etcd.
//!
//! etcd's own page on Kubernetes says that a restore has to raise the revision and mark all before it as compacted, or
//! watchers believe what is gone (etcd.io: op-guide/recovery; etcd 3.5.10 or newer). What is about machines and processes
//! that are gone goes: Nodes, Leases, pods. And Rancher's namespaces are closed for pods until the rest is proved: a
//! restored Rancher acts by what it believed then.

use serde_json::json;

use super::jar::Jar;
use crate::backup::{Contents, Level, OpenBackup, Questions, Spool, Spooled, prove};
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::plan::rancher::{HELD_LABEL, HOLD};
use crate::play::Tell;
use crate::remote::Stdin;

/// By how much etcd's revision is raised: etcd's own example for Kubernetes.
pub const BUMP: u64 = 1_000_000_000;

/// What goes: a word for people, the kind as [`Contents::objects`] counts it, and the keys in etcd.
pub const GOES: [(&str, &str, &str); 5] = [
    ("nodes", "minions", "/registry/minions/"),
    ("csinodes", "csinodes", "/registry/csinodes/"),
    ("leases", "leases", "/registry/leases/"),
    ("addresses of API servers", "masterleases", "/registry/masterleases/"),
    ("pods", "pods", "/registry/pods/"),
];

/// Rancher's own webhooks: with its pods held back nobody would answer them, and it makes them anew at its start.
const WEBHOOKS: [&str; 2] = [
    "/registry/validatingwebhookconfigurations/rancher.cattle.io",
    "/registry/mutatingwebhookconfigurations/rancher.cattle.io",
];

/// The namespaces of Rancher and of what it installs beside itself begin so.
const NAMESPACES: &str = "/registry/namespaces/cattle-";

/// The snapshot that the new members begin from.
pub async fn fit(jar: &Jar<'_>, open: &mut OpenBackup, spool: Spool, tell: &Tell) -> Result<Spooled, Failure> {
    let node = jar.machine.node.name.clone();
    let told = |text: String| tell.progress(Stage::Restore, text);
    told(format!("snapshot to {node}"));
    let length = open.snapshot.length;
    jar.put("snapshot.db", &mut open.snapshot, |sent| {
        let text = format!("snapshot to {node}: {} of {} MiB", sent >> 20, length >> 20);
        tell.part(Stage::Restore, text, sent as f64 / length.max(1) as f64);
    })
    .await?;
    told(format!("making it fit in an etcd by itself on {node}"));
    let bump = BUMP.to_string();
    let raised =
        ["snapshot", "restore", "snapshot.db", "--data-dir", "data", "--bump-revision", &bump, "--mark-compacted"];
    jar.etcdutl(&[], &raised).await.map_err(too_old)?;
    jar.start_etcd("data").await?;
    for (word, _, prefix) in GOES {
        let count = jar.etcdctl(&["del", "--prefix", prefix], Stdin::Empty).await?;
        tell.detail(format!("{} {word} taken out of etcd", count.trim()));
    }
    for key in WEBHOOKS {
        jar.etcdctl(&["del", key], Stdin::Empty).await?;
    }
    hold(jar, tell).await?;
    jar.etcdctl(&["snapshot", "save", "fit.db"], Stdin::Empty).await?;
    jar.stop_etcd().await?;
    let mut fit = jar.bring("fit.db", spool).await?;
    judge(&mut fit, open)?;
    Ok(fit)
}

fn too_old(failure: Failure) -> Failure {
    failure.hint("this takes etcdutl 3.5.10 or newer in the image of etcd; nothing was started on the data")
}

/// Closes Rancher's namespaces for pods. The API server reads JSON from etcd as well as its own format; a quota binds by its
/// status, so it is written with one.
async fn hold(jar: &Jar<'_>, tell: &Tell) -> Result<(), Failure> {
    let keys = jar.etcdctl(&["get", "--prefix", NAMESPACES, "--keys-only"], Stdin::Empty).await?;
    for namespace in keys.lines().filter_map(|line| line.trim().strip_prefix("/registry/namespaces/")) {
        let none = json!({"pods": "0"});
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {
                "name": HOLD, "namespace": namespace, "uid": crate::session::new_uid(),
                "creationTimestamp": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "labels": {HELD_LABEL.0: HELD_LABEL.1},
            },
            "spec": {"hard": none}, "status": {"hard": none, "used": none},
        });
        let key = format!("/registry/resourcequotas/{namespace}/{HOLD}");
        jar.etcdctl(&["put", &key], Stdin::Text(quota.to_string())).await?;
        tell.detail(format!("no pod starts in {namespace} until all else is proved"));
    }
    Ok(())
}

/// What came back is the backup's cluster still, and holds nothing of what had to go.
fn judge(fit: &mut Spooled, open: &OpenBackup) -> Result<Contents, Failure> {
    let unfit = |why: String| {
        Failure::new(Exit::StepFailed, "the snapshot is not as it has to be after it was made fit").because(why)
    };
    let questions = Questions {
        state: Some(open.state().as_bytes()),
        uid: &open.manifest.uid,
        kubernetes: &open.manifest.versions.kubernetes,
        last_revision: Some(open.contents.revision + BUMP),
    };
    let length = fit.length;
    let reader = fit.open().map_err(|error| unfit(error.to_string()))?;
    let proved = tokio::task::block_in_place(|| prove(reader, length, &questions));
    if let Some(flaw) = proved.flaw.filter(|_| proved.level < Level::Together) {
        return Err(unfit(flaw.to_string()));
    }
    let contents = proved.contents.unwrap_or_default();
    let left = GOES.iter().find(|(_, kind, _)| contents.objects.get(*kind).is_some_and(|count| *count > 0));
    match (left, missing(&open.contents, &contents)) {
        (Some((word, _, _)), _) => Err(unfit(format!("there are {word} in it"))),
        (None, Some(why)) => Err(unfit(why)),
        (None, None) => Ok(contents),
    }
}

/// Kinds that the cluster's own controllers and clocks take from and add to.
const VOLATILE: [&str; 12] = [
    "events",
    "endpointslices",
    "replicasets",
    "jobs",
    "controllerrevisions",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "volumeattachments",
    "certificatesigningrequests",
    "cert-manager.io/certificaterequests",
    "acme.cert-manager.io/orders",
    "acme.cert-manager.io/challenges",
];

/// Of which kind there are fewer than before, other than those that had to go or come and go by themselves.
pub fn missing(before: &Contents, now: &Contents) -> Option<String> {
    let counts = |kind: &str| !GOES.iter().any(|(_, goes, _)| *goes == kind) && !VOLATILE.contains(&kind);
    let fewer: Vec<String> = before
        .objects
        .iter()
        .filter(|(kind, _)| counts(kind))
        .filter_map(|(kind, count)| {
            let there = now.objects.get(kind).copied().unwrap_or_default();
            (there < *count).then(|| format!("{kind}: {there} of {count}"))
        })
        .collect();
    (!fewer.is_empty()).then(|| fewer.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(objects: &[(&str, u64)]) -> Contents {
        let objects = objects.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
        Contents { objects, ..Contents::default() }
    }

    #[test]
    fn what_may_go_and_what_comes_by_itself_is_not_missed() {
        let before = contents(&[("configmaps", 9), ("pods", 40), ("minions", 3), ("events", 900), ("secrets", 5)]);
        assert_eq!(missing(&before, &contents(&[("configmaps", 10), ("secrets", 5), ("pods", 1)])), None);
        let fewer = missing(&before, &contents(&[("configmaps", 8), ("pods", 40)])).unwrap();
        assert_eq!(fewer, "configmaps: 8 of 9, secrets: 0 of 5");
    }
}
