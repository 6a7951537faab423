//! The plan of a rebuild, from what was looked at; and what an earlier run of it has left.

use std::path::Path;

use jiff::Timestamp;

use super::fit::{BUMP, GOES};
use super::look::Looked;
use super::progress::{Phase, Progress};
use crate::backup::OpenBackup;
use crate::plan::rebuild::{Against, MachineSeen, RebuildMachine, RebuildPlan, against};
use crate::session::project::Project;

/// Whether what an earlier run has put there is still there: machines that were installed anew since begin from nothing.
pub fn still_there(begun: &Progress, machines: &[RebuildMachine]) -> bool {
    let has_data = |machine: &&RebuildMachine| matches!(machine.seen, MachineSeen::Data { .. });
    match begun.phase {
        Phase::Placing => true,
        Phase::Placed => machines.iter().filter(|machine| machine.new).any(|machine| has_data(&machine)),
    }
}

/// What an earlier run put on the machines of the inventory is no reason; all else is.
pub fn against_going_on(begun: &Progress, looked: &Looked) -> Vec<Against> {
    let own = |machine: &RebuildMachine| {
        let started = matches!(machine.seen, MachineSeen::Data { running: true });
        machine.new && (begun.phase == Phase::Placed || !started)
    };
    let others: Vec<RebuildMachine> = looked
        .machines
        .iter()
        .map(|machine| match (own(machine), &machine.seen) {
            (true, MachineSeen::Data { .. }) => RebuildMachine { seen: MachineSeen::Nothing, ..machine.clone() },
            (_, _) => machine.clone(),
        })
        .collect();
    // Its own API is what it is to bring up.
    let apis = looked.apis.iter().filter(|api| {
        begun.phase == Phase::Placing || !looked.machines.iter().any(|machine| machine.new && machine.address == api.at)
    });
    let lost = looked.machines.iter().filter(|machine| begun.phase == Phase::Placed && lacks(machine)).map(|machine| Against {
        seen: format!("etcd's data were put on {} ({}), and are not there any more", machine.name, machine.address),
        fix: "to begin anew: on the other machines move what is in /var/lib/etcd to another folder, and here remove .cowhand/rebuild.json".into(),
    });
    let mut against = against(&others, &apis.cloned().collect::<Vec<_>>());
    against.extend(lost);
    against
}

fn lacks(machine: &RebuildMachine) -> bool {
    machine.new && machine.etcd && !matches!(machine.seen, MachineSeen::Data { .. })
}

pub fn plan(
    project: &Project,
    open: &OpenBackup,
    file: &Path,
    machines: Vec<RebuildMachine>,
    goes_on: bool,
) -> RebuildPlan {
    let objects = &open.contents.objects;
    let taken_out = GOES.iter().filter_map(|(word, kind, _)| Some(((*word).to_owned(), *objects.get(*kind)?)));
    let rancher = objects
        .iter()
        .filter(|(kind, _)| kind.starts_with("management.cattle.io/") || kind.starts_with("provisioning.cattle.io/"));
    let age = Timestamp::now().duration_since(open.manifest.taken);
    RebuildPlan {
        cluster: project.inventory.name.clone(),
        file: file.display().to_string(),
        uid: open.manifest.uid.clone(),
        taken: open.manifest.taken.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        age: crate::report::so_far(age.as_secs_f64()),
        revision: open.contents.revision,
        next_revision: open.contents.revision + BUMP,
        machines,
        taken_out: taken_out.collect(),
        rancher: rancher.map(|(kind, count)| (kind.clone(), *count)).collect(),
        not_in_it: open.manifest.not_in_it.clone(),
        follow: follow(project),
        goes_on,
    }
}

/// Where names and balancers have to lead from now on.
fn follow(project: &Project) -> Vec<String> {
    let inventory = &project.inventory;
    let nodes = crate::check::dns::serving(inventory).map(|node| node.address.as_str()).collect::<Vec<_>>().join(", ");
    let hostname = &inventory.rancher.hostname;
    if inventory.load_balancers.is_empty() {
        return vec![format!("DNS: {hostname} has to lead to {nodes}")];
    }
    let balancers = inventory.load_balancers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    vec![
        format!("DNS: {hostname} has to lead to the balancers {balancers}"),
        format!("balancers: they have to lead to {nodes}; `cowhand lb` prints their configuration"),
    ]
}
