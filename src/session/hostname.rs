//! Rancher's host name, where the cluster has another one than the inventory: what the change does is said before it is
//! made.

use crate::cluster::{ClusterError, ObjectRef};
use crate::facts::cluster::{NAMESPACE, RANCHER, downstream};
use crate::facts::owner;
use crate::session::cluster_api::ClusterApi;
use crate::session::project::Project;

/// What to say of it; `None` where there is no Rancher yet, it keeps its name, or the cluster does not tell it.
pub async fn change(project: &Project, reached: &ClusterApi) -> Option<String> {
    let wanted = &project.inventory.rancher.hostname;
    let there = match there(reached).await {
        Ok(there) => there,
        Err(error) => {
            tracing::warn!("Rancher's host name cannot be seen: {error}");
            return None;
        }
    };
    if there.iter().any(|there| there.eq_ignore_ascii_case(wanted)) {
        return None;
    }
    let there = there.first()?;
    // Without the right to see them, nobody knows of none.
    let clusters = downstream(&reached.cluster).await.ok();
    let clusters = clusters.map(|all| all.into_iter().map(|one| one.id).collect::<Vec<_>>());
    Some(consequence(there, wanted, clusters.as_deref()))
}

/// As Helm's record has it, else as Rancher's Ingress does: RKE's addon leaves no record.
async fn there(reached: &ClusterApi) -> Result<Vec<String>, ClusterError> {
    if let Ok(Some(name)) = owner::rancher_hostname(&reached.cluster).await {
        return Ok(vec![name]);
    }
    let ingress = ObjectRef::new("networking.k8s.io/v1", "Ingress", Some(NAMESPACE), RANCHER);
    let found = reached.cluster.get(&ingress).await?;
    let rules = found.as_ref().and_then(|found| found.pointer("/spec/rules")?.as_array());
    let hosts = rules.into_iter().flatten().filter_map(|rule| rule["host"].as_str().map(str::to_owned));
    Ok(hosts.collect())
}

/// `clusters` are those that Rancher manages, where they could be seen.
fn consequence(there: &str, wanted: &str, clusters: Option<&[String]>) -> String {
    let agents = match clusters {
        Some([]) => String::new(),
        Some(clusters) => format!(
            "; the agents of {} know {there} alone and lose Rancher until they are given the new address \
             (Rancher's setting server-url, then each cluster registered anew)",
            clusters.join(", ")
        ),
        None => format!("; agents of managed clusters know {there} alone and lose Rancher"),
    };
    format!(
        "Rancher's host name changes from {there} to {wanted}: nothing answers at https://{there} any more, and Ingress and \
         certificate are for {wanted} alone{agents}. If that is not meant, put `hostname: {there}` back into the inventory"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_name_says_who_loses_rancher() {
        let say = |clusters: Option<&[String]>| consequence("old.test", "new.test", clusters);
        for told in [say(Some(&[])), say(None), say(Some(&["c-1".into(), "c-2".into()]))] {
            assert!(told.starts_with("Rancher's host name changes from old.test to new.test"), "{told}");
            assert!(told.contains("nothing answers at https://old.test any more"), "{told}");
            assert!(told.ends_with("put `hostname: old.test` back into the inventory"), "{told}");
        }
        assert!(say(Some(&["c-1".into(), "c-2".into()])).contains("the agents of c-1, c-2 know old.test alone"));
        assert!(!say(Some(&[])).contains("agents") && say(None).contains("agents of managed clusters"));
    }
}
