//! Rancher's host name, where the cluster has another one than the inventory: one change with all its parts, said before it is
//! made, and refused where agents of other clusters would be lost.

use serde_json::json;

use crate::cluster::{ClusterError, ObjectRef};
use crate::facts::cluster::{NAMESPACE, RANCHER, downstream};
use crate::facts::owner;
use crate::failure::{Exit, Failure};
use crate::plan::Step;
use crate::session::cluster_api::ClusterApi;
use crate::session::project::Project;

/// Another host name than the cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange {
    pub there: String,
    pub wanted: String,
    /// Ids of the clusters that Rancher manages besides its own; `None` where they could not be seen.
    pub clusters: Option<Vec<String>>,
    /// Rancher's setting `server-url`: where agents that are registered from now on go.
    pub server_url: ServerUrl,
    /// The certificate is a file of the inventory's.
    pub given: bool,
    /// What leads to Rancher: names of the nodes that take its traffic.
    pub entrances: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerUrl {
    /// Whoever logs in first sets it.
    Unset,
    Is(String),
    Unseen(String),
}

/// `None` where there is no Rancher yet, it keeps its name, or the cluster does not tell it.
pub async fn change(project: &Project, reached: &ClusterApi) -> Option<NameChange> {
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
    let there = there.first()?.clone();
    // Without the right to see them, nobody knows of none.
    let clusters = downstream(&reached.cluster).await.ok();
    let workers = project.inventory.nodes.iter().filter(|node| node.roles.worker);
    Some(NameChange {
        there,
        wanted: wanted.clone(),
        clusters: clusters.map(|all| all.into_iter().map(|one| one.id).collect()),
        server_url: server_url(reached).await,
        given: project.inventory.rancher.tls.certificate.is_some(),
        entrances: workers.map(|node| node.name.clone()).collect(),
    })
}

const SETTING: &str = "server-url";

async fn server_url(reached: &ClusterApi) -> ServerUrl {
    match reached.cluster.get(&ObjectRef::new("management.cattle.io/v3", "Setting", None, SETTING)).await {
        Ok(setting) => match setting.as_ref().and_then(|setting| setting["value"].as_str()) {
            Some(value) if !value.is_empty() => ServerUrl::Is(value.to_owned()),
            Some(_) | None => ServerUrl::Unset,
        },
        Err(error) => ServerUrl::Unseen(error.to_string()),
    }
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

impl NameChange {
    /// Where `server-url` says the former name, it follows; any other is somebody's choice. It comes first: agents that run are
    /// not touched by it, and a run that is ended in between still sees the former name in the Ingress.
    pub fn step(&self) -> Option<Step> {
        let (from, to) = self.moved()?;
        let manifest = json!({
            "apiVersion": "management.cattle.io/v3", "kind": "Setting", "metadata": {"name": SETTING}, "value": to,
        });
        let because = vec![format!("~ Setting {SETTING} value: {from} -> {to}")];
        Some(Step::Apply { what: format!("Rancher's setting {SETTING}"), manifests: vec![manifest], because })
    }

    fn moved(&self) -> Option<(&str, String)> {
        let ServerUrl::Is(value) = &self.server_url else { return None };
        let host = value.strip_prefix("https://")?.split(['/', ':']).next()?;
        let rest = &value["https://".len() + host.len()..];
        host.eq_ignore_ascii_case(&self.there).then(|| (value.as_str(), format!("https://{}{rest}", self.wanted)))
    }

    /// Every part of it, a line each.
    pub fn parts(&self) -> Vec<String> {
        let NameChange { there, wanted, entrances, .. } = self;
        let certificate = match self.given {
            true => format!("the one that the inventory names has to be for {wanted}"),
            false => format!("it is issued anew, for {wanted} alone"),
        };
        let server_url = match (&self.server_url, self.moved()) {
            (_, Some((from, to))) => format!("goes from {from} to {to}"),
            (ServerUrl::Is(value), None) => format!("stays {value}, which is not the former name: agents go there"),
            (ServerUrl::Unset, None) => "is not set: whoever logs in first sets it".to_owned(),
            (ServerUrl::Unseen(why), None) => format!("cannot be seen ({why}): look at it in Rancher afterwards"),
        };
        vec![
            format!(
                "Rancher's host name changes from {there} to {wanted}: nothing answers at https://{there} any more. If that is \
                 not meant, put `hostname: {there}` back into the inventory"
            ),
            format!("host name, certificate: {certificate}"),
            format!("host name, Ingress: it leads {wanted} alone to Rancher"),
            format!("host name, {SETTING}: Rancher's setting {server_url}"),
            format!("host name, agents: {}", self.agents()),
            format!(
                "host name, DNS: {wanted} has to lead to where {there} does ({}, or the balancers before them)",
                entrances.join(", ")
            ),
            format!(
                "host name, balancers: one that asks for health or routes by name needs {wanted}; `cowhand lb` prints it anew"
            ),
        ]
    }

    fn agents(&self) -> String {
        let anew = format!(
            "in Rancher at https://{}, cluster by cluster, `Registration` shows the command to run there again",
            self.wanted
        );
        match self.clusters.as_deref() {
            Some([]) => "Rancher manages no other cluster".to_owned(),
            Some(clusters) => format!(
                "those of {} ({}) know {} alone and lose Rancher until each is registered anew: {anew}",
                clusters.join(", "),
                if clusters.len() == 1 { "1 cluster".to_owned() } else { format!("{} clusters", clusters.len()) },
                self.there
            ),
            None => {
                format!("whether Rancher manages others cannot be seen; they would know {} alone: {anew}", self.there)
            }
        }
    }

    /// # Errors
    /// Where agents would be lost, or may be, and nobody has said that they shall be.
    pub fn refuse(&self, move_agents: bool) -> Result<(), Failure> {
        if move_agents || self.clusters.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let error = format!("with another host name of Rancher's ({} -> {}) agents are lost", self.there, self.wanted);
        Err(Failure::new(Exit::ChecksFailed, error).because(self.agents()).hint(format!(
            "`cowhand up --move-agents` changes it all the same; or put `hostname: {}` back into the inventory",
            self.there
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(clusters: Option<&[&str]>, server_url: ServerUrl) -> NameChange {
        NameChange {
            there: "old.test".into(),
            wanted: "new.test".into(),
            clusters: clusters.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            server_url,
            given: false,
            entrances: vec!["n1".into(), "n2".into()],
        }
    }

    #[test]
    fn each_part_has_its_name() {
        let is = ServerUrl::Is("https://old.test".into());
        let parts = change(Some(&["c-1", "c-2"]), is).parts().join("\n");
        for part in [
            "from old.test to new.test: nothing answers at https://old.test any more",
            "certificate: it is issued anew, for new.test alone",
            "Ingress: it leads new.test alone",
            "server-url: Rancher's setting goes from https://old.test to https://new.test",
            "those of c-1, c-2 (2 clusters) know old.test alone",
            "DNS: new.test has to lead to where old.test does (n1, n2",
            "balancers: ",
        ] {
            assert!(parts.contains(part), "{part}\n{parts}");
        }
        let given = NameChange { given: true, ..change(Some(&[]), ServerUrl::Unset) };
        assert!(given.parts()[1].contains("the one that the inventory names has to be for new.test"));
        assert!(given.parts()[4].contains("manages no other cluster"));
    }

    #[test]
    fn agents_are_lost_only_when_it_was_said() {
        for (clusters, move_agents, refused) in [
            (Some(&[][..]), false, false),
            (Some(&["c-1"][..]), false, true),
            (Some(&["c-1"][..]), true, false),
            (None, false, true),
            (None, true, false),
        ] {
            let said = change(clusters, ServerUrl::Unset).refuse(move_agents);
            assert_eq!(said.is_err(), refused, "{clusters:?} {move_agents}");
            if let Err(failure) = said {
                assert_eq!(failure.exit, Exit::ChecksFailed);
                assert!(failure.hint.unwrap().contains("--move-agents"));
            }
        }
    }

    #[test]
    fn the_setting_follows_the_former_name_and_no_other() {
        for (value, expected) in [
            ("https://old.test", Some("https://new.test")),
            ("https://OLD.test:8443/x", Some("https://new.test:8443/x")),
            ("https://agents.test", None),
            ("https://old.test.example", None),
            ("http://old.test", None),
        ] {
            let step = change(Some(&[]), ServerUrl::Is(value.into())).step();
            let sent = step.as_ref().map(|step| match step {
                Step::Apply { manifests, .. } => manifests[0]["value"].as_str().unwrap(),
                other => panic!("{other}"),
            });
            assert_eq!(sent, expected, "{value}");
        }
        assert_eq!(change(Some(&[]), ServerUrl::Unset).step(), None);
    }
}
