//! A cluster that was there before: its lock, what one may do in it, whose its objects are. Against the real API.

use cowhand::cluster::{Access, Apply, Cluster, LEASE, LeaseError, LeaseLock, ObjectRef};
use cowhand::facts::belongings::{Around, Whose, whose};
use cowhand::facts::existing::existing;
use cowhand::facts::inhabitants::rancher_version;
use cowhand::facts::owner::Owner;
use cowhand::facts::rights::rights;
use serde_json::{Value, json};

use crate::api::{alone, api, namespace};

fn lease() -> ObjectRef {
    ObjectRef::new("coordination.k8s.io/v1", "Lease", Some(LEASE.0), LEASE.1)
}

#[tokio::test]
async fn one_run_at_a_time_and_a_dead_one_frees_the_lock() {
    let _alone = alone().await;
    let cluster = api().cluster().await;
    namespace(&cluster, LEASE.0).await;
    let first = LeaseLock::take(&cluster, "ann on one, cowhand up").await.unwrap();
    let refused = LeaseLock::take(&cluster, "bob on two, cowhand up").await.err().unwrap();
    assert!(refused.to_string().contains("ann on one"), "{refused}");
    assert!(matches!(refused, LeaseError::Held { free_in: 1..=60, .. }), "{refused:?}");
    first.release().await;
    assert_eq!(cluster.get(&lease()).await.unwrap(), None);

    // Whoever died a while ago has left it so.
    let dead = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": LEASE.1, "namespace": LEASE.0},
        "spec": {"holderIdentity": "ann on one", "leaseDurationSeconds": 60, "renewTime": "2026-01-01T00:00:00.000000Z"}});
    cluster.apply(&[dead], &Apply::default(), |_| ()).await.unwrap();
    let second = LeaseLock::take(&cluster, "bob on two, cowhand up").await.unwrap();
    let holder = cluster.get(&lease()).await.unwrap().unwrap();
    assert_eq!(holder["spec"]["holderIdentity"], "bob on two, cowhand up");
    second.release().await;
    assert_eq!(cluster.get(&lease()).await.unwrap(), None);
}

#[tokio::test]
async fn the_admin_may_do_all_and_a_guest_next_to_nothing() {
    let admin = api().cluster().await;
    assert!(rights(&admin, "cert-manager").await.unwrap().iter().all(|one| one.denied.is_empty()));
    let mut kubeconfig: Value = serde_json::from_str(&api().far).unwrap();
    kubeconfig["users"][0]["user"]["as"] = json!("guest");
    // What everybody has who logs in: to look around, and to ask for one's own rights.
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "guest"}, "rules": [
        {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]},
        {"nonResourceURLs": ["/version", "/api", "/api/*", "/apis", "/apis/*"], "verbs": ["get"]}]});
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "guest"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "guest"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "guest"}]});
    admin.apply(&[role, binding], &Apply::default(), |_| ()).await.unwrap();
    let access = Access::from_yaml(&kubeconfig.to_string()).unwrap();
    let guest = Cluster::open(&access, api().route()).await.unwrap();
    // The API server itself hears of new roles a moment later.
    for _ in 0..100 {
        if rights(&guest, "cert-manager").await.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let denied = rights(&guest, "cert-manager").await.unwrap();
    assert!(denied.iter().all(|one| one.denied.len() == one.needed.verbs.len()), "{denied:?}");
    // What may not be seen says so, and is never taken for absent.
    let owner = Owner { inventory: "shared".into(), uid: None, hostname: "rancher.test".into(), taking: false };
    let observed = existing(&guest, &owner).await;
    let seen = observed.seen().unwrap();
    for unseen in [
        seen.nodes.as_ref().err(),
        seen.releases.as_ref().err(),
        seen.rancher.as_ref().err(),
        seen.uid.as_ref().err(),
        seen.claim.as_ref().err(),
    ] {
        assert!(unseen.unwrap().0.contains("cannot"), "{unseen:?}");
    }
}

#[tokio::test]
async fn objects_tell_who_made_them() {
    let cluster = api().cluster().await;
    namespace(&cluster, "belongings").await;
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "belongings"}, "data": {"a": "b"}});
    cluster.apply(&[map("ours")], &Apply::default(), |_| ()).await.unwrap();
    let marked = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "marked", "namespace": "belongings", "annotations": {"a": "b"}}});
    cluster.mark(&marked).await.unwrap();
    let found = cluster.inhabitants("belongings").await.unwrap();
    assert_eq!(found.unseen, Vec::<String>::new());
    let of = |name: &str| {
        let one =
            found.all.iter().find(|one| one.object.name == name).unwrap_or_else(|| panic!("no {name}: {found:?}"));
        whose(one, &Around::default())
    };
    assert_eq!((of("ours"), of("marked")), (Whose::Cowhand, Whose::Other));
}

#[tokio::test]
async fn the_rancher_that_is_there_tells_its_version() {
    let cluster = api().cluster().await;
    namespace(&cluster, "cattle-system").await;
    assert_eq!(rancher_version(&cluster).await.unwrap(), None);
    let labels = json!({"app": "rancher"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "rancher", "namespace": "cattle-system", "labels": {"app": "rancher", "chart": "rancher-2.11.4"}},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "rancher", "image": "registry.example.com:5000/rancher/rancher:v2.11.5"}]}}}});
    cluster.apply(std::slice::from_ref(&deployment), &Apply::default(), |_| ()).await.unwrap();
    assert_eq!(rancher_version(&cluster).await.unwrap().map(|version| version.to_string()).as_deref(), Some("2.11.5"));
    cluster.delete(&ObjectRef::new("apps/v1", "Deployment", Some("cattle-system"), "rancher")).await.unwrap();
}
