//! What a journal keeps for good: who did what, when, and how it ended. The texts around that stay for the newest runs.

use serde_json::Value;

/// Runs whose lines stay as they were written.
const WHOLE_RUNS: usize = 20;
/// Below this much to save, in bytes, nothing is rewritten.
const WORTH_IT: usize = 256 * 1024;

/// What only tells, and goes; of every other event these fields go.
const TELLING: [&str; 8] =
    ["progress", "item-progress", "item-started", "download", "finding", "note", "warning", "result"];
const TEXTS: [&str; 3] = ["text", "summary", "usual"];

/// The journal without the texts of old runs; `None` when that would save little. What is no line of ours stays.
pub(super) fn thinned(journal: &str) -> Option<String> {
    let lines: Vec<(&str, Option<Value>)> =
        journal.lines().map(|line| (line, serde_json::from_str(line).ok())).collect();
    let mut runs: Vec<&str> = Vec::new();
    for run in lines.iter().filter_map(|(_, value)| value.as_ref()?["run"].as_str()) {
        // The lines of a run stand together.
        if runs.last() != Some(&run) {
            runs.push(run);
        }
    }
    let old = &runs[..runs.len().saturating_sub(WHOLE_RUNS)];
    let first_new = runs.get(old.len()).copied();
    let mut kept = String::new();
    let mut in_old = !old.is_empty();
    for (line, value) in &lines {
        let run = value.as_ref().and_then(|value| value["run"].as_str());
        in_old &= run.is_none() || run != first_new;
        match value {
            Some(Value::Object(_)) if in_old => {
                kept.extend(value.clone().and_then(without_texts).map(|line| line + "\n"))
            }
            Some(_) | None => kept.extend([line, "\n"]),
        }
    }
    (kept.len() + WORTH_IT < journal.len()).then_some(kept)
}

/// `None` when nothing is left to say.
fn without_texts(mut line: Value) -> Option<String> {
    if line["event"].as_str().is_some_and(|event| TELLING.contains(&event)) {
        return None;
    }
    let fields = line.as_object_mut()?;
    fields.retain(|name, _| !TEXTS.contains(&name.as_str()));
    Some(line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: usize, text: &str) -> String {
        let line = |rest: &str| format!("{{\"time\":\"2026-11-30T10:00:00Z\",\"run\":\"r{number}\",{rest}}}\n");
        [
            line(&format!(
                "\"who\":\"ada@laptop\",\"event\":\"run-started\",\"command\":\"up\",\"cluster\":\"lab\",\"summary\":\"{text}\""
            )),
            line(&format!("\"event\":\"progress\",\"stage\":\"cluster\",\"text\":\"{text}\"")),
            line(&format!("\"event\":\"step-started\",\"stage\":\"cluster\",\"step\":\"rke up\",\"text\":\"{text}\"")),
            line(&format!("\"event\":\"finding\",\"finding\":{{\"seen\":\"{text}\"}}")),
            line("\"event\":\"item-done\",\"item\":1,\"node\":\"n1\""),
            line("\"event\":\"run-finished\",\"ok\":true,\"seconds\":3.5,\"exit\":0"),
        ]
        .concat()
    }

    fn runs(numbers: std::ops::Range<usize>, text: &str) -> String {
        numbers.map(|number| run(number, text)).collect()
    }

    #[test]
    fn old_runs_keep_who_did_what_when_and_lose_their_texts() {
        let long = "x".repeat(20_000);
        let journal = runs(0..25, &long);
        let thin = thinned(&journal).unwrap();
        let (old, new) = thin.split_at(thin.len() - runs(5..25, &long).len());
        assert_eq!(new, runs(5..25, &long), "the newest twenty stay as they are");
        assert!(!old.contains("xxx"), "{old}");
        assert_eq!(old.lines().count(), 5 * 4);
        let first: Value = serde_json::from_str(old.lines().next().unwrap()).unwrap();
        let field = |name: &str| first[name].as_str().unwrap();
        assert_eq!(
            [field("who"), field("time"), field("command"), field("cluster")],
            ["ada@laptop", "2026-11-30T10:00:00Z", "up", "lab"]
        );
        assert!(old.contains("\"step\":\"rke up\"") && old.contains("\"item-done\"") && old.contains("\"exit\":0"));
        assert_eq!(thinned(&thin), None, "once is enough");
    }

    #[test]
    fn what_is_no_line_of_ours_and_a_short_journal_stay() {
        assert_eq!(thinned(&runs(0..25, "short")), None);
        assert_eq!(thinned(""), None);
        let long = "x".repeat(30_000);
        let journal = format!("half a li\n{}", runs(0..30, &long));
        assert!(thinned(&journal).unwrap().starts_with("half a li\n{"));
    }
}
