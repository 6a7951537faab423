//! RKE's images, looked for on every node that is reached.

use data_encoding::BASE64URL;
use futures::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::engine::rke::images::{images, listed, registries};
use crate::facts::images::ImagesSeen;
use crate::facts::images::{Image, ask};
use crate::inventory::Rke;
use crate::local::tool::{ToolKind, Toolbox};
use crate::session::machines::Machines;
use crate::session::project::Project;

/// Asks every node; `None` with a cluster that is there already. Nothing is fetched for it: without rke its list is not known.
pub async fn see(project: &Project, machines: &Machines) -> Option<ImagesSeen> {
    let rke = project.inventory.engine.rke_settings()?;
    let known = images(&project.inventory, rke, own_list(rke)).await;
    let wanted: Vec<Image> =
        known.names.iter().map(|name| Image { name: name.clone(), login: login(rke, name) }).collect();
    let looks = machines.reached.iter().map(async |machine| {
        let found = ask(&machine.connection, &machine.node.docker_socket, &wanted).await;
        (machine.node.name.clone(), found)
    });
    let used = project.state().map(|state| state.system_images().into_iter().map(str::to_owned).collect());
    Some(ImagesSeen { unknown: known.unknown, nodes: join_all(looks).await, used: used.unwrap_or_default() })
}

/// What the first run of this rke brings to a cluster that another one built, whatever it is for; nothing where rke is not
/// at hand, or brings nothing.
pub async fn rolled(project: &Project) -> Option<String> {
    let rke = project.inventory.engine.rke_settings().filter(|rke| rke.adopted)?;
    let state = project.state()?;
    told(&rke.version, images(&project.inventory, rke, own_list(rke)).await.names, &state.system_images())
}

fn told(version: &str, wanted: Vec<String>, used: &[&str]) -> Option<String> {
    let other: Vec<String> = wanted.into_iter().filter(|image| !used.contains(&image.as_str())).collect();
    let said = format!(
        "the first run of rke {version}, whatever it is for, starts other images than those that run: {}",
        other.join(", ")
    );
    (!other.is_empty() && !used.is_empty()).then_some(said)
}

async fn own_list(rke: &Rke) -> Result<Vec<String>, String> {
    let found = Toolbox::usual().at_hand(ToolKind::Rke, &rke.binary, &rke.version).await;
    let found = found.ok_or_else(|| format!("rke {} is not at hand yet", rke.version))?;
    listed(&found.path, &rke.kubernetes).await
}

/// What the inventory gives for the registry of this image, in the form of Docker's API.
fn login(rke: &Rke, image: &str) -> Option<SecretString> {
    let text = |one: &Value, key: &str| one.get(key)?.as_str().map(str::to_owned);
    let of_image = |one: &&Value| {
        text(one, "url").is_some_and(|url| image.starts_with(&format!("{}/", url.trim_end_matches('/'))))
    };
    let registry = registries(rke).find(of_image)?;
    let login = json!({"username": text(registry, "user")?, "password": text(registry, "password")?,
        "serveraddress": text(registry, "url")?});
    Some(SecretString::from(BASE64URL.encode(login.to_string().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_older_rke_did_not_start_is_told() {
        let wanted = || ["rancher/a:2", "rancher/b:1"].map(str::to_owned).to_vec();
        let said = told("v1.8.0", wanted(), &["rancher/a:1", "rancher/b:1"]).unwrap();
        assert!(said.ends_with("run: rancher/a:2") && said.contains("rke v1.8.0"), "{said}");
        assert_eq!(told("v1.8.0", wanted(), &["rancher/b:1", "rancher/a:2", "rancher/c:9"]), None);
        assert_eq!(told("v1.8.0", wanted(), &[]), None, "nothing was ever applied");
    }
}
