//! Brings a lost `cluster.rkestate` back from the cluster itself, with nothing but SSH.
//!
//! RKE keeps its state in Secret `kube-system/full-cluster-state`; the kubelet's own kube config on any node may read
//! it there, where rke's `util get-state-file` needs the very files that are lost.

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::machines::{Machine, Machines};
use super::run::{guarded, untouched};
use super::site::Site;
use super::{Answer, Connect, Context, keepsakes, world};
use crate::execute::{Lock, Secrecy, StateFile};
use crate::plan::applied::State;
use crate::remote::{Remote, Stdin, Words};
use crate::report::{Exit, Failure};

/// What was said to `recover-state`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RecoverState {
    /// Replace a state file that is there; it is kept aside first
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub connect: Connect,
}

pub async fn run(context: &Context, wanted: RecoverState) -> Answer {
    let site = Site::open(context)?;
    if site.rke().is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "only a cluster of rke has a state file; this inventory's cluster was there before",
        )
        .hint("an inventory with `engine: {rke: …}` and the nodes of such a cluster brings its state back"));
    }
    let path = site.workspace.cluster_state();
    let step = |error: crate::execute::WorkspaceError| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint());
    if site.workspace.state_file().map_err(step)? == StateFile::Whole && !wanted.force {
        return Err(Failure::new(
            Exit::StepFailed,
            format!("{} is there and whole; nothing was changed", path.display()),
        )
        .hint("--force replaces it by the cluster's own copy; the one that is there is kept in .cowhand/state"));
    }
    context.log_into(&site.workspace, "recover-state");
    let (machines, (text, node)) = guarded(&context.stop, async {
        let machines = Machines::connect(&site.inventory, &wanted.connect, context, None).await;
        let fetched = fetch(&machines).await?;
        Ok((machines, fetched))
    })
    .await
    .map_err(untouched)?;
    let state = State::parse(&text)
        .map_err(|error| Failure::with_cause(Exit::StepFailed, "what the cluster gave is no state file", &error))?;
    site.workspace.prepare().map_err(step)?;
    let lock = Lock::take(&site.workspace.lock(), "recover-state");
    let _lock = lock.map_err(|error| Failure::of(Exit::StepFailed, &error).maybe_hint(error.hint()))?;
    site.workspace.keep_state_aside().map_err(step)?;
    site.workspace.write(&path, text.as_bytes(), Secrecy::Private).map_err(step)?;
    let mut written = vec![path.display().to_string()];
    if let Some(kubeconfig) = state.kubeconfig() {
        let file = site.workspace.kubeconfig();
        site.workspace.write(&file, kubeconfig.as_bytes(), Secrecy::Private).map_err(step)?;
        written.push(file.display().to_string());
    }
    match world::reach(&site, &machines).await? {
        Some(reached) => {
            let back = keepsakes::bring_back(&site, &reached).await?;
            written.extend(back.iter().map(|path| path.display().to_string()));
        }
        None => context.console.talk("the API does not answer: a CA that cowhand made was not looked for"),
    }
    machines.disconnect().await;
    context.console.talk(&format!("{} recovered from the cluster through {node}", written.join(", ")));
    Ok(Exit::Done)
}

/// The state, from the first node that can give it; the reasons of all when none can.
async fn fetch(machines: &Machines) -> Result<(Zeroizing<String>, String), Failure> {
    if machines.reached.is_empty()
        && let Some(failure) = machines.unreached()
    {
        return Err(failure);
    }
    let mut reasons = Vec::new();
    for machine in &machines.reached {
        match ask(machine).await {
            Ok(text) => return Ok((text, machine.node.name.clone())),
            Err(reason) => reasons.push(format!("{}: {reason}", machine.node.name)),
        }
    }
    Err(Failure::new(Exit::StepFailed, "no node could give the cluster's state").because(reasons.join("\n")).hint(
        "a kubelet has to run on a node and the API has to answer; an etcd snapshot holds the state file as well",
    ))
}

async fn ask(machine: &Machine) -> Result<Zeroizing<String>, String> {
    let words = Words::new("docker").args([
        "exec",
        "kubelet",
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/ssl/kubecfg-kube-node.yaml",
        "--namespace",
        "kube-system",
        "get",
        "secret",
        "full-cluster-state",
        "--output",
        "jsonpath={.data.full-cluster-state}",
    ]);
    let encoded = machine.connection.text(&words, Stdin::Empty).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    })?;
    let encoded = Zeroizing::new(encoded);
    let decoded = decode(encoded.trim()).ok_or("what it gave is not base64")?;
    let text = secrecy::SecretString::from(String::from_utf8(decoded).map_err(|_| "what it gave is not text")?);
    Ok(Zeroizing::new(text.expose_secret().to_string()))
}

/// Standard base64 (RFC 4648), as the API writes a Secret's data.
fn decode(text: &str) -> Option<Vec<u8>> {
    k8s_openapi::serde_json::from_value::<k8s_openapi::ByteString>(serde_json::Value::String(text.into()))
        .ok()
        .map(|bytes| bytes.0)
}
