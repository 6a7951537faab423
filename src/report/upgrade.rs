//! What an upgrade would do, and what a cluster could take, shown; and the ways back.

use crate::plan::upgrade::way_back::WayBack;
use crate::plan::upgrade::{Before, Move, Runs, UpgradePlan, What};
use crate::report::{Look, Tone, one_line};

/// What runs, what could come in which order, and why no more.
pub fn what(what: &What, look: &Look) -> String {
    let mut text = runs(&what.runs, look);
    text += &format!("\n{}\n", look.paint(Tone::Strong, "could take, in this order"));
    if what.offer.path.is_empty() {
        text += "  nothing newer that fits\n";
    }
    text += &path(&what.offer.path, look);
    text += &format!("\n{}\n", look.paint(Tone::Strong, "and no further"));
    for limit in &what.offer.limits {
        text += &format!("  {}: {}\n", limit.product, one_line(&limit.why));
    }
    text += &notes(&what.notes);
    let to: Vec<String> = last_of_each(&what.offer.path);
    match to.is_empty() {
        true => text,
        false => text + &format!("\n`cowhand upgrade --to {}` does it; with --plan it only shows how\n", to.join(",")),
    }
}

/// The last version of each product that a line of the inventory says.
fn last_of_each(path: &[Move]) -> Vec<String> {
    let own: Vec<&Move> = path.iter().filter(|one| !one.with_next).collect();
    let last = |index: usize, one: &&Move| !own[index + 1..].iter().any(|later| later.product == one.product);
    let last = own.iter().enumerate().filter(|(index, one)| last(*index, one)).map(|(_, one)| one);
    last.map(|one| format!("{}={}", one.product.word(), one.to)).collect()
}

/// The plan of an upgrade.
pub fn plan(plan: &UpgradePlan, look: &Look) -> String {
    let mut text = runs(&plan.runs, look);
    if plan.is_empty() {
        return text + "\nnothing to do: these versions run, and the inventory says so\n";
    }
    text += &format!("\n{}\n", look.paint(Tone::Strong, "upgrade"));
    if !plan.path.is_empty() {
        text += &before(&plan.before, look);
    }
    text += &path(&plan.path, look);
    for line in &plan.inventory {
        let from = if line.from.is_empty() { "(unset)" } else { &line.from };
        text += &format!(
            "  {} inventory {}: {} -> {}\n",
            look.paint(Tone::Careful, "~"),
            line.key,
            one_line(from),
            line.to
        );
    }
    text += &notes(&plan.notes);
    let steps = plan.path.iter().filter(|one| !one.with_next).count();
    let count = if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
    text + &format!("\n{count}, each with its check before and verify behind it\n")
}

fn runs(runs: &Runs, look: &Look) -> String {
    let mut text = format!("{}\n", look.paint(Tone::Strong, "runs"));
    for (version, nodes) in &runs.kubernetes {
        text += &format!("  Kubernetes {} on {}\n", one_line(version), one_line(&nodes.join(", ")));
    }
    match &runs.rancher {
        Some(version) => text += &format!("  Rancher {} (by {})\n", one_line(version), runs.delivery),
        None => text += "  no Rancher\n",
    }
    if let Some(version) = &runs.cert_manager {
        text += &format!("  cert-manager {}\n", one_line(version));
    }
    for line in &runs.ingress {
        text += &format!("  ingress {}\n", one_line(line));
    }
    for line in &runs.unfinished {
        text += &format!("  {} {}\n", look.paint(Tone::Bad, "!"), one_line(line));
    }
    text
}

fn before(before: &Before, look: &Look) -> String {
    match before {
        Before::Backup { to } => {
            format!(
                "  {} backup of level 3 first, to {}; without it nothing begins\n",
                look.paint(Tone::Good, "+"),
                one_line(&to.join(", "))
            )
        }
        Before::NoBackup => {
            format!(
                "  {} no backup first (--no-backup): once the new version runs, there is no way back\n",
                look.paint(Tone::Bad, "!")
            )
        }
        Before::Missing { why, remedy } => {
            format!("  {} {}: {}\n", look.paint(Tone::Bad, "!"), one_line(why), one_line(remedy))
        }
    }
}

fn path(path: &[Move], look: &Look) -> String {
    let mut text = String::new();
    for one in path {
        let along = if one.with_next { " (with the next step)" } else { "" };
        text += &format!("  {} {}{along}\n", look.paint(Tone::Careful, "~"), one_line(&one.to_string()));
        text += &one.because.iter().map(|line| format!("      {}\n", one_line(line))).collect::<String>();
        let restart = |line: &String| format!("      {} {}\n", look.paint(Tone::Careful, "↻"), one_line(line));
        text += &one.restarts.iter().map(restart).collect::<String>();
    }
    text
}

fn notes(notes: &[String]) -> String {
    notes.iter().map(|note| format!("  note: {}\n", one_line(note))).collect()
}

/// What is left of ways back.
pub fn way_back(way: &WayBack, look: &Look) -> String {
    let list = |lines: &[String], mark: String| {
        lines.iter().map(|line| format!("  {mark} {}\n", one_line(line))).collect::<String>()
    };
    let bad = || look.paint(Tone::Bad, "!");
    match way {
        WayBack::Helm { revision, from, to, because } => {
            let head = format!("helm rollback to revision {revision}: Rancher {from} -> {to}, nothing is lost");
            format!("{}\n{}", look.paint(Tone::Strong, &head), list(because, look.paint(Tone::Good, "+")))
        }
        WayBack::Restore { why, backup, lost } => {
            let mut text = format!("{}\n{}", look.paint(Tone::Strong, "helm does not lead back"), list(why, bad()));
            text +=
                &format!("{}\n", look.paint(Tone::Strong, "the cluster can be made again from the backup of before"));
            let taken = backup.taken.strftime("%Y-%m-%d %H:%M:%SZ");
            text += &format!("  {}, taken {taken}, {}\n", one_line(&backup.path), backup.level);
            text += &format!(
                "  its machines have to be installed anew first; then: cowhand rebuild --from {}\n",
                one_line(&backup.path)
            );
            text += &format!("{}\n", look.paint(Tone::Strong, "what would be lost, made since"));
            let lines: Vec<String> = lost.iter().map(ToString::to_string).collect();
            text += &list(&lines, look.paint(Tone::Bad, "-"));
            if lost.is_empty() {
                text += "  nothing of Rancher's that is new\n";
            }
            text + "  what was changed since, and not made, is lost too, and is not listed\n"
        }
        WayBack::None { why, remedy } => {
            let head = look.paint(Tone::Strong, "there is no way back that is safe");
            format!("{head}\n{}  {}\n", list(why, bad()), one_line(remedy))
        }
    }
}
