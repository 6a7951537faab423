//! A plan, shown: each step with its mark and why; with `-v` the whole text of each.

use crate::engine::Change;
use crate::plan::{Effect, Guard, StagePlan};
use crate::report::{Look, Tone, one_line, printable};

/// One step as scripts get it.
#[derive(serde::Serialize)]
pub struct Line<'a> {
    stage: &'static str,
    step: String,
    /// `add`, `change`, `remove` or `wait`.
    effect: Effect,
    because: Vec<String>,
    text: String,
    changes: bool,
    /// The changes of the cluster that the step brings about, as data.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    differences: &'a [Change],
    /// What has to be so still when the step begins; else the run stops.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    guards: &'a [Guard],
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_back: Option<String>,
}

/// Every step of these plans.
pub fn lines(plans: &[StagePlan]) -> Vec<Line<'_>> {
    let steps = plans.iter().flat_map(|plan| plan.steps.iter().map(move |step| (plan.stage, step)));
    steps
        .map(|(stage, step)| Line {
            stage: stage.name(),
            step: step.to_string(),
            effect: step.effect(),
            because: step.because(),
            text: step.text(),
            changes: step.changes(),
            differences: step.differences(),
            guards: step.guards(),
            until: step.until(),
            way_back: step.way_back(),
        })
        .collect()
}

/// Heads and reasons; with `verbose` also the whole text of each step. `verb` is the command that plays the plans.
pub fn text(plans: &[StagePlan], look: &Look, verbose: bool, verb: &str) -> String {
    let mut text = String::new();
    for plan in plans.iter().filter(|plan| !plan.steps.is_empty() || !plan.notes.is_empty()) {
        text += &format!("{}\n", look.paint(Tone::Strong, plan.stage.name()));
        for note in &plan.notes {
            text += &format!("  note: {}\n", one_line(note));
        }
        for step in &plan.steps {
            text += &format!("  {} {}\n", mark(step.effect(), look), one_line(&step.to_string()));
            let lines = step.because().into_iter().chain(step.consequence().map(str::to_owned));
            text += &lines.map(|line| format!("      {}\n", one_line(&line))).collect::<String>();
            if verbose {
                text += &printable(&step.text()).lines().map(|line| format!("      {line}\n")).collect::<String>();
            }
        }
        text.push('\n');
    }
    text + &summary(plans, verb) + "\n"
}

fn mark(effect: Effect, look: &Look) -> String {
    match effect {
        Effect::Add => look.paint(Tone::Good, "+"),
        Effect::Change => look.paint(Tone::Careful, "~"),
        Effect::Remove => look.paint(Tone::Bad, "-"),
        Effect::Wait => " ".to_owned(),
    }
}

/// What would be done, in a line.
pub fn summary(plans: &[StagePlan], verb: &str) -> String {
    let shows = if verb == "up" { "plan -v".to_owned() } else { format!("{verb} --plan -v") };
    let count = |effect| plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.effect() == effect).count();
    match (count(Effect::Add), count(Effect::Change), count(Effect::Remove)) {
        (0, 0, 0) => "nothing would be changed".to_string(),
        (add, change, remove) => format!(
            "{add} to add, {change} to change, {remove} to remove; `cowhand {verb}` does it, `cowhand {shows}` shows each step's text"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ObjectRef;
    use crate::engine::change::Shown;
    use crate::plan::{Stage, Step, Wait};
    use crate::report::hostile::{HOSTILE, LOOKS, assert_harmless};

    fn plan(stage: Stage, steps: Vec<Step>) -> StagePlan {
        StagePlan { stage, steps, notes: Vec::new() }
    }

    fn rke(because: Change) -> Step {
        let because = vec![because];
        Step::RkeUp {
            cluster_yml: "the whole text\n".into(),
            config: serde_json::Map::new(),
            because,
            guards: Vec::new(),
        }
    }

    #[test]
    fn a_plan_says_each_difference_and_leaves_the_texts_out() {
        let secret = ObjectRef::new("v1", "Secret", Some("cattle-system"), "tls-ca");
        let wait = Step::Wait(Wait::NodesReady { names: vec!["n1".into()] });
        let number = |text: &str| Shown::Text(text.into());
        let retention = Change::Setting { path: "services.etcd.retention".into(), from: number("6"), to: number("28") };
        let plans = [
            plan(Stage::Cluster, vec![rke(retention), wait]),
            plan(
                Stage::Rancher,
                vec![Step::Remove { objects: vec![secret], because: "no use for it".into(), guards: Vec::new() }],
            ),
        ];
        insta::assert_snapshot!(text(&plans, &Look::PLAIN, false, "up"), @r"
        cluster
          ~ write cluster.yml, copy cluster.rkestate aside, run rke up
              services.etcd.retention: 6 -> 28
              rke goes over all nodes; what is changed of a node's components restarts there
            wait until nodes n1 are Ready

        rancher
          - remove secret cattle-system/tls-ca
              no use for it

        0 to add, 1 to change, 1 to remove; `cowhand up` does it, `cowhand plan -v` shows each step's text
        ");
        assert!(text(&plans, &Look::PLAIN, true, "up").contains("      the whole text\n"));
    }

    #[test]
    fn a_first_run_adds_and_an_empty_plan_says_so() {
        assert!(summary(&[plan(Stage::Cluster, vec![rke(Change::Create)])], "up").starts_with("1 to add, 0 to change"));
        let wait = Step::Wait(Wait::NodesReady { names: Vec::new() });
        assert_eq!(summary(&[plan(Stage::Cluster, vec![wait])], "up"), "nothing would be changed");
    }

    #[test]
    fn nothing_that_a_cluster_says_steers_the_terminal() {
        let some = || HOSTILE.to_owned();
        let restart = Step::Restart { namespace: some(), deployment: some(), because: some() };
        let touch = Step::Touch { object: ObjectRef::new("v1", "Secret", None, "x"), because: some() };
        let plans = [StagePlan { stage: Stage::Rancher, steps: vec![restart, touch], notes: vec![some()] }];
        for look in &LOOKS {
            let told = text(&plans, look, true, "up");
            assert_harmless(&told, look);
            assert!(!told.contains("\u{1b}[32m"), "{told:?}");
        }
    }
}
