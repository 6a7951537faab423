//! Takes over a cluster that plain rke built: an inventory and a workspace, from its files or from its nodes, with a look at
//! what runs. No machine and no cluster is changed.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::plan::{self, Plan};
use crate::engine::rke::adopt::{Adopted, Given, RancherPart, adopt, in_addons};
use crate::engine::rke::state::State;
use crate::failure::{Exit, Failure};
use crate::inventory::Values;
use crate::report::{Look, Shower};
use crate::session::adopt::look::Found;
use crate::session::adopt::nodes::{Way, absolute, bring};
use crate::session::adopt::{Place, Sources, running};
use crate::session::run::guarded;
use crate::session::{Answer, Connect, Context, Skip, adoption, new_file};

/// What was said to `adopt`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Adopt {
    /// The cluster.yml that `rke up` was run with
    #[arg(long, value_name = "FILE", required_unless_present = "node", conflicts_with = "node")]
    pub from: Option<PathBuf>,
    /// RKE's state file [default: the one beside the cluster.yml]
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with = "node")]
    pub state: Option<PathBuf>,
    /// The kubeconfig that rke wrote [default: the copy in the state file]
    #[arg(long, value_name = "FILE", requires = "from", conflicts_with = "node")]
    pub kubeconfig: Option<PathBuf>,
    /// A node of the running cluster, where its files are lost: state, cluster.yml and kubeconfig are brought from there; may
    /// be given more than once
    #[arg(long, value_name = "ADDRESS", requires = "user")]
    pub node: Vec<String>,
    /// The user that logs in to the nodes
    #[arg(long, value_name = "USER", requires = "node")]
    pub user: Option<String>,
    /// The key that logs in there [default: what ssh's agent has]
    #[arg(long, value_name = "FILE", requires = "node")]
    pub key: Option<String>,
    /// The port of sshd on the nodes [default: 22]
    #[arg(long, value_name = "PORT", requires = "node")]
    pub port: Option<u16>,
    /// File with the nodes' host keys [default: ~/.ssh/known_hosts]
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<String>,
    /// Inventory to write [default: that of -i, else inventory.yml]
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Read the files alone: no cluster and no machine is asked, and no plan is shown
    #[arg(long, conflicts_with = "node")]
    pub offline: bool,
    /// Write over an inventory that is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub skip: Skip,
    #[command(flatten)]
    pub connect: Connect,
}

/// What was written, for `--output json`.
#[derive(Serialize)]
struct Written<'a> {
    files: &'a [PathBuf],
    named: Vec<Line<'a>>,
    warnings: &'a [String],
    notes: &'a [String],
    /// Lines of the inventory that are to be filled in.
    open: &'a [String],
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    fate: &'static str,
    why: &'a str,
}

/// What is told in the end.
struct Told<'a> {
    adopted: &'a Adopted,
    files: &'a [PathBuf],
    notes: &'a [String],
    with_state: bool,
}

pub async fn run(context: &Context, wanted: Adopt) -> Answer {
    let file = wanted.to.clone().or_else(|| context.inventory.clone()).unwrap_or_else(|| "inventory.yml".into());
    new_file::refuse_there(&file, wanted.force)?;
    let place = Place::of(&file, wanted.from.as_deref())?;
    let mut sources = sources(context, &wanted, &place).await?;
    sources.known_hosts = wanted.known_hosts.as_deref().map(absolute);
    let addons = sources.foreign.config.get("addons").and_then(Value::as_str);
    let addon = addons.and_then(in_addons);
    let first = inventory(&sources, &place, addon.clone().unwrap_or_default())?;
    sources.refuse_another(&first)?;
    let mut files = place.write(&first, &sources)?;
    let asked = match wanted.offline {
        true => None,
        false => Some(seen(context, &wanted, &place, (&first, &mut sources), addon).await),
    };
    let (found, unseen) = match asked {
        None => (None, None),
        Some(Ok(found)) => (Some(found), None),
        Some(Err(failure)) => (None, Some(failure)),
    };
    let adopted = match &found {
        Some(found) => inventory(&sources, &place, found.part.clone())?.naming(&found.named),
        None => first,
    };
    let given = found.as_ref().map(|found| found.part.given.clone());
    let Found { files: more, written, notes, .. } = found.unwrap_or_default();
    files.extend(written.into_iter().chain(place.add(&more)?).collect::<Vec<_>>());
    files.sort();
    files.dedup();
    new_file::write(&file, &adopted.inventory, wanted.force)?;
    files.insert(0, file.clone());
    remember(&place, &adopted, given)?;
    let with_state = sources.state.is_some();
    tell(context, &Told { adopted: &adopted, files: &files, notes: &notes, with_state })?;
    if let Some(failure) = unseen {
        return Err(failure.hint("the inventory is written from the files alone; what is open in it, `adopt --force` fills in once the cluster answers"));
    }
    if wanted.offline || !with_state || !adopted.open.is_empty() {
        return Ok(Exit::Done);
    }
    let inside = Context::new(context.console, context.stop.clone(), Some(file), None);
    plan::run(&inside, Plan { skip: wanted.skip, connect: wanted.connect, ..Plan::default() }).await
}

async fn sources(context: &Context, wanted: &Adopt, place: &Place) -> Result<Sources, Failure> {
    if let Some(from) = &wanted.from {
        return Sources::read(from, wanted.state.as_deref(), wanted.kubeconfig.as_deref());
    }
    let way = Way {
        nodes: wanted.node.clone(),
        user: wanted.user.clone().unwrap_or_default(),
        key: wanted.key.as_deref().map(absolute),
        port: wanted.port,
        known_hosts: wanted.known_hosts.as_deref().map(absolute),
    };
    Shower::during(&context.console, &context.stop, async |_, screen| {
        guarded(&context.stop, bring((context, &wanted.connect, screen), &way, place)).await
    })
    .await
}

/// Makes the inventory, with this of Rancher.
fn inventory(sources: &Sources, place: &Place, rancher: RancherPart) -> Result<Adopted, Failure> {
    let kubernetes = sources.state.as_ref().and_then(|state| State::kubernetes(&state.parsed));
    let known_hosts = sources.known_hosts.as_deref();
    let given = Given { file: &sources.foreign, kubernetes, folder: &place.prefix, rancher, known_hosts };
    let adopted = adopt(&given).map_err(|error| {
        Failure::with_cause(Exit::Inventory, format!("{} cannot be taken over", sources.name), &error)
    })?;
    Ok(adopted.naming(&sources.named))
}

/// Looks at the cluster through its nodes.
async fn seen(
    context: &Context,
    wanted: &Adopt,
    place: &Place,
    from: (&Adopted, &mut Sources),
    addon: Option<RancherPart>,
) -> Result<Found, Failure> {
    Shower::during(&context.console, &context.stop, async |_, screen| {
        guarded(&context.stop, running((context, &wanted.connect, screen), place, from, addon)).await
    })
    .await
}

/// `given` is what Rancher's user gave to Helm, where that was looked at.
fn remember(place: &Place, adopted: &Adopted, given: Option<Values>) -> Result<(), Failure> {
    let given = given.filter(|_| adopted.open.is_empty());
    let rancher = given.map(|given| place.taken_over(&adopted.inventory, given)).transpose()?;
    adoption::remember(&place.workspace, &adopted.name, adopted.digest.clone(), rancher)
}

fn tell(context: &Context, told: &Told<'_>) -> Result<(), Failure> {
    let Told { adopted, files, notes, .. } = told;
    let named = adopted.named.iter().map(|one| Line { key: &one.key, fate: one.fate.word(), why: &one.why }).collect();
    let written = Written { files, named, warnings: &adopted.warnings, notes, open: &adopted.open };
    context.console.data("adopted", &written, |look| said(look, told))
}

fn said(look: &Look, told: &Told<'_>) -> String {
    let Told { adopted, files, notes, with_state } = told;
    let mut said = String::new();
    for file in *files {
        said += &format!("{} is written\n", file.display());
    }
    let mut line = |word: &str, text: &str| said += &format!("  {word:<10} {}\n", look.wrap(text, 13));
    adopted.named.iter().for_each(|one| line(one.fate.word(), &format!("{}: {}", one.key, one.why)));
    notes.iter().for_each(|note| line("note", note));
    adopted.warnings.iter().for_each(|warning| line("warning", warning));
    if !adopted.open.is_empty() {
        line("fill in", &adopted.open.join(", "));
    }
    said += match with_state {
        true => {
            "an older copy of cluster.rkestate may be with a colleague, in Terraform or in a pipeline: whoever runs rke with it\n\
             undoes what is done from here on; `down` and a new CA refuse until `cowhand unprotect` was run\n"
        }
        false => {
            "there is no state file: `cowhand recover-state` brings it from the cluster; `up` refuses until then\n"
        }
    };
    said += "next: read the inventory through, then `cowhand plan` says what `up` would do\n";
    look.letters(&said)
}
