//! What was applied, and is seen otherwise now. Only asks: of the API, of helm's records in it, of Docker on the nodes.

use futures::stream::{self, StreamExt};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::cluster::{ASKER, Apply, ObjectRef, flatten, parse_documents};
use crate::engine::change::Shown;
use crate::engine::rke::cluster_yml::addon_digest;
use crate::engine::rke::state::State;
use crate::facts::{cluster::ingress_classes, running};
use crate::failure::{Exit, Failure};
use crate::inventory::{Delivery, IngressProvider, Node};
use crate::plan::cert_manager::CERT_MANAGER;
use crate::plan::drift::authors::{By, owners};
use crate::plan::drift::containers::{NodeContainers, containers};
use crate::plan::drift::fields::Part;
use crate::plan::drift::nodes::{AppliedNode, node};
use crate::plan::drift::objects::{ADDON, OWN, RELEASE, Source, object, own};
use crate::plan::drift::releases::{release, rollback};
use crate::plan::drift::{Drift, Drifted, Field, UP};
use crate::plan::ingress::TRAEFIK;
use crate::plan::rancher::{self, NAMESPACE, RANCHER};
use crate::play::Tell;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::inputs::{self, Inputs, nothing_there};
use crate::session::machines::Machines;
use crate::session::project::Project;
use crate::session::seeing::{digest, rancher_wanted, recorded};

/// Objects that are asked for side by side.
const AT_ONCE: usize = 8;

/// Looks at everything that cowhand, helm for it, and RKE applied.
///
/// # Errors
/// When no cluster answers, or it cannot be asked; a part that cannot be looked at is named in the answer.
pub async fn see(project: &Project, machines: &Machines, tell: &Tell) -> Result<Drift, Failure> {
    let reached = inputs::reach(project, machines).await?;
    let reached = reached.ok_or_else(|| machines.unreached().unwrap_or_else(|| nothing_there(project)))?;
    let classes = ingress_classes(&reached.cluster).await.map_err(unseen)?;
    let project = &project.with_classes(&classes);
    let inputs = Inputs::see(project, machines, tell).await?;
    let mut look = Look { inputs: &inputs, reached: &reached, found: Drift::default() };
    if let Some(state) = project.state().filter(|_| project.inventory.engine.keeps_state()) {
        look.nodes(&state).await?;
        look.containers(&state).await;
        look.addon(&state).await;
    }
    look.releases().await?;
    look.own().await?;
    Ok(look.found)
}

struct Look<'a> {
    inputs: &'a Inputs<'a>,
    reached: &'a ClusterApi,
    found: Drift,
}

/// Whether what differs is drift: see [`object`] and [`own`].
type Judge = fn(&ObjectRef, &Value, &crate::cluster::Beside, &Source) -> Option<Drifted>;

impl Look<'_> {
    async fn nodes(&mut self, state: &State) -> Result<(), Failure> {
        let seen = self.reached.cluster.list("v1", "Node", None, None).await.map_err(unseen)?;
        for applied in state.applied_nodes().into_iter().map(AppliedNode::of) {
            match seen.iter().find(|one| one["metadata"]["name"] == applied.name.as_str()) {
                Some(there) => self.found.drift.extend(node(&applied, there)),
                None => self.found.unseen.push(format!("node {}: the API has no such Node", applied.name)),
            }
        }
        Ok(())
    }

    async fn containers(&mut self, state: &State) {
        let machines = self.inputs.machines;
        let asked = machines
            .reached
            .iter()
            .map(async |machine| (&machine.node, running::ask(&machine.connection, &machine.node.docker_socket).await));
        let mut nodes = Vec::new();
        for (node, asked) in futures::future::join_all(asked).await {
            match asked {
                Ok(containers) => nodes.push(NodeContainers { node: node.name.clone(), own: names(node), containers }),
                Err(why) => self.found.unseen.push(format!("containers on {}: {}", node.name, why.0)),
            }
        }
        for (node, answer) in &machines.answers {
            if let Err(why) = answer {
                self.found.unseen.push(format!("containers on {node}: {why}"));
            }
        }
        self.found.drift.extend(containers(&nodes, |name| state.planned(name)));
    }

    /// As RKE's state has it, which is what its job applied last.
    async fn addon(&mut self, state: &State) {
        let Some(text) = state.addon() else { return };
        match parse_documents(addon_digest(text).1) {
            Ok(manifests) => {
                let source = Source { managers: ADDON, remedy: UP.into() };
                self.objects(&manifests, "default", &source, object).await;
            }
            Err(error) => self.found.unseen.push(format!("RKE's addon: {error}")),
        }
    }

    async fn releases(&mut self) -> Result<(), Failure> {
        let inventory = &self.inputs.project.inventory;
        let traefik = inventory.ingress.provider == IngressProvider::Traefik;
        let helm = inventory.rancher.delivery == Delivery::Helm;
        let all = [
            (TRAEFIK, TRAEFIK, traefik),
            (CERT_MANAGER, CERT_MANAGER, self.inputs.picture.needs_cert_manager),
            (NAMESPACE, RANCHER, helm),
        ];
        for (namespace, name, _) in all.into_iter().filter(|(_, _, applied)| *applied) {
            if name == RANCHER || recorded(self.inputs, self.reached, name).await?.ours {
                self.release(namespace, name).await?;
            }
        }
        Ok(())
    }

    async fn release(&mut self, namespace: &str, name: &str) -> Result<(), Failure> {
        let history = self.reached.cluster.release_history(namespace, name).await.map_err(unseen)?;
        let full = format!("{namespace}/{name}");
        let (base, drifted) = release(&full, &history);
        self.found.drift.extend(drifted);
        let Some(base) = base else { return Ok(()) };
        match parse_documents(&base.manifest) {
            Ok(manifests) => {
                let source =
                    Source { managers: RELEASE, remedy: format!("{} puts it back", rollback(&full, base.number)) };
                self.objects(&manifests, namespace, &source, object).await;
            }
            Err(error) => self.found.unseen.push(format!("release {full}: {error}")),
        }
        Ok(())
    }

    /// What cowhand applies by itself: objects and Secrets.
    async fn own(&mut self) -> Result<(), Failure> {
        let wanted = rancher_wanted(self.inputs);
        let (before, after) = rancher::own_objects(&self.inputs.picture);
        let manifests: Vec<Value> = before.into_iter().chain(after).chain(wanted.later).collect();
        let source = Source { managers: OWN, remedy: UP.into() };
        self.objects(&manifests, "default", &source, own).await;
        for step in rancher::secrets(&self.inputs.picture) {
            let Some(there) = self.reached.cluster.secret_digest(&step.namespace, &step.name).await.map_err(unseen)?
            else {
                continue;
            };
            let wanted = digest(self.inputs, &step.kind, &step.entries);
            let Some(wanted) = wanted.filter(|wanted| *wanted != there) else { continue };
            let name = ObjectRef::new("v1", "Secret", Some(&step.namespace), &step.name);
            let metadata = self.reached.cluster.metadata(&name).await.map_err(unseen)?.unwrap_or_default();
            let keys = wanted.keys.iter().filter(|(key, value)| there.keys.get(*key) != Some(*value));
            let fields = keys.filter_map(|(key, _)| secret_field(&metadata, key)).collect::<Vec<_>>();
            if !fields.is_empty() {
                self.found.drift.push(Drifted { object: name.to_string(), fields, remedy: UP.into() });
            }
        }
        Ok(())
    }

    async fn objects(&mut self, manifests: &[Value], namespace: &str, source: &Source, judge: Judge) {
        let how = Apply { namespace: namespace.into(), manager: ASKER, ..Apply::default() };
        let manifests = flatten(manifests);
        let (secrets, plain): (Vec<&Value>, Vec<&Value>) =
            manifests.into_iter().partition(|one| one["kind"] == "Secret");
        let asked =
            plain.into_iter().map(async |manifest| (manifest, self.reached.cluster.beside(manifest, &how).await));
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        for (manifest, answer) in answers {
            match answer {
                Ok((name, beside)) => self.found.drift.extend(judge(&name, manifest, &beside, source)),
                Err(error) => self.found.unseen.push(error.to_string()),
            }
        }
        for manifest in secrets {
            match self.secret(manifest, namespace, source).await {
                Ok(found) => self.found.drift.extend(found),
                Err(error) => self.found.unseen.push(error.to_string()),
            }
        }
    }

    /// A Secret is compared here, and never sent.
    async fn secret(
        &self,
        manifest: &Value,
        namespace: &str,
        source: &Source,
    ) -> Result<Option<Drifted>, crate::cluster::ClusterError> {
        let mut name = ObjectRef::of(manifest)?;
        let namespace = name.namespace.get_or_insert_with(|| namespace.to_owned()).clone();
        let Some(there) = self.reached.cluster.read_secret(&namespace, &name.name).await? else {
            return Ok(object(&name, manifest, &crate::cluster::Beside::Missing, source));
        };
        let metadata = self.reached.cluster.metadata(&name).await?.unwrap_or_default();
        let text = manifest.get("stringData").and_then(Value::as_object).into_iter().flatten();
        let text = text.filter_map(|(key, value)| Some((key, value.as_str()?.as_bytes().to_vec())));
        let bytes = manifest.get("data").and_then(Value::as_object).into_iter().flatten();
        let bytes = bytes.filter_map(|(key, value)| {
            Some((key, data_encoding::BASE64.decode(value.as_str()?.trim().as_bytes()).ok()?))
        });
        let differs = text
            .chain(bytes)
            .filter(|(key, value)| there.get(*key).is_none_or(|seen| seen.expose_secret() != value.as_slice()));
        let fields: Vec<Field> = differs.map(|(key, _)| hidden(&metadata, key)).collect();
        let remedy = source.remedy.clone();
        Ok((!fields.is_empty()).then(|| Drifted { object: name.to_string(), fields, remedy }))
    }
}

fn names(node: &Node) -> Vec<String> {
    let internal = node.internal_address.map(|address| address.to_string());
    [Some(node.address.clone()), internal, Some(node.name.clone())].into_iter().flatten().collect()
}

/// A key of a Secret that cowhand wrote and somebody else holds now.
fn secret_field(metadata: &Value, key: &str) -> Option<Field> {
    let field = hidden(metadata, key);
    let foreign = |by: &By| matches!(by, By::Owner(author) if !OWN.contains(&author.manager.as_str()));
    field.by.as_ref().is_some_and(foreign).then_some(field)
}

fn hidden(metadata: &Value, key: &str) -> Field {
    let path = [Part::Field("data".into()), Part::Field(key.into())];
    let by = owners(metadata, &path).into_iter().next().map(By::Owner);
    Field { path: format!("data.{key}"), applied: Shown::Hidden, seen: Shown::Hidden, by }
}

/// # Errors
/// When something could not be looked at: unknown is never a pass.
pub fn judged(found: &Drift) -> Result<Exit, Failure> {
    match (found.drift.as_slice(), found.unseen.as_slice()) {
        ([], []) => Ok(Exit::Done),
        ([_, ..], _) => Ok(Exit::Changes),
        ([], unseen) => {
            Err(Failure::new(Exit::Unreachable, "not everything could be looked at").because(unseen.join("\n")))
        }
    }
}
