//! From an inventory's text to what a person reads in a plan, and the laws that hold for every plan.

mod adopting;
mod again;
mod balancers;
mod changes;
mod cluster_yml;
mod rotate;
mod secrets;
mod stages;
mod upgrade;
mod world;

use std::path::Path;

use cowhand::inventory::{Environment, Inventory, parse};
use cowhand::plan::StagePlan;

/// Reads as on a laptop where `/home/me` is home and the inventory lies in `/srv/prod`.
pub fn read(text: &str) -> Inventory {
    let variable = |name: &str| match name {
        "LAB_RUN" => Some("/run/lab".to_owned()),
        "LAB_CHARTS" => Some("/cache/charts".to_owned()),
        _ => None,
    };
    let environment = Environment { home: Some("/home/me".into()), folder: "/srv/prod".into(), variable: &variable };
    let read = parse(text, Path::new("inventory.yml"), &environment);
    read.unwrap_or_else(|mistakes| panic!("refused:\n{mistakes}\nin\n{text}"))
}

/// A file of the repository.
pub fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Three nodes and Rancher with these TLS lines; `more` are further lines at the top level.
pub fn inventory(tls: &str, more: &str) -> String {
    format!(
        "name: prod\n\
         ssh: {{user: rancher}}\n\
         nodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\n\
         engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
         {more}\
         rancher:\n  \
           hostname: rancher.example.com\n  \
           version: 2.11.5\n  \
           tls: {{{tls}}}\n"
    )
}

/// A cluster that is there, without nodes.
pub fn existing(tls: &str, more: &str) -> String {
    format!(
        "name: shared\n\
         engine: {{existing: {{kubeconfig: kubeconfig}}}}\n\
         {more}\
         rancher:\n  \
           hostname: rancher.example.com\n  \
           version: 2.11.5\n  \
           tls: {{{tls}}}\n"
    )
}

/// The same with Rancher delivered by helm.
pub fn by_helm(tls: &str, more: &str) -> String {
    inventory(tls, more).replace("  version: 2.11.5\n", "  version: 2.11.5\n  delivery: helm\n")
}

/// The plan as `cowhand plan` shows it, without its heading.
pub fn text(plans: &[StagePlan]) -> String {
    let mut text = String::new();
    for plan in plans {
        text += &format!("{}\n", plan.stage.name());
        for note in &plan.notes {
            text += &format!("  note: {note}\n");
        }
        for step in &plan.steps {
            text += &format!("  {}{step}\n", if step.changes() { "" } else { "(no change) " });
            text += &step.text().lines().map(|line| format!("      {line}\n")).collect::<String>();
        }
    }
    text
}

/// Heads of the steps that change something.
pub fn changing(plan: &StagePlan) -> Vec<String> {
    plan.steps.iter().filter(|step| step.changes()).map(ToString::to_string).collect()
}
