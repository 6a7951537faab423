//! What the checks found, as a person reads it: problems first, each with its fix, the same one only once.

use serde::Serialize;

use super::look::columns;
use super::{Look, Mark, Tone, Verbosity, one_line, printable, took};
use crate::check::{Finding, Verdict};

/// How many findings there are of each kind; a skipped problem counts as skipped only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub checks: usize,
    pub passed: usize,
    pub warnings: usize,
    pub unknown: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Counts {
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Counts { checks: findings.len(), ..Counts::default() };
        for finding in findings {
            let kind = match finding.verdict {
                Verdict::Pass => &mut counts.passed,
                _ if finding.skipped => &mut counts.skipped,
                Verdict::Warn => &mut counts.warnings,
                Verdict::Unknown => &mut counts.unknown,
                Verdict::Fail => &mut counts.failed,
            };
            *kind += 1;
        }
        counts
    }

    /// `61 checks · 58 passed · 1 warning · 2 failed`.
    pub fn text(&self) -> String {
        let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let mut parts = vec![plural(self.checks, "check"), format!("{} passed", self.passed)];
        if self.warnings > 0 {
            parts.push(plural(self.warnings, "warning"));
        }
        for (number, word) in [(self.failed, "failed"), (self.unknown, "unknown"), (self.skipped, "skipped")] {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        parts.join(" · ")
    }
}

/// The whole answer of `check`: the problems (with `Verbose` everything), then the counts and what to read next.
pub fn findings(findings: &[Finding], seconds: f64, verbosity: Verbosity, look: &Look) -> String {
    let rows = rows(findings, &[], verbosity, look);
    let mut text = table(&rows, look);
    if !text.is_empty() {
        text.push('\n');
    }
    if verbosity != Verbosity::Quiet {
        let counts = look.letters(&format!("  {} · {}", Counts::of(findings).text(), took(seconds)));
        text.push_str(&counts);
        if let Some(row) = rows.iter().find(|row| row.verdict != Verdict::Pass) {
            let more = format!("cowhand explain {} tells more", row.check);
            let fits = look.width.is_none_or(|width| counts.chars().count() + 7 + more.len() < width);
            text.push_str(if fits { "       " } else { "\n  " });
            text.push_str(&look.paint(Tone::Dim, &more));
        }
        text.push('\n');
    }
    text
}

/// Only the lines of the findings, without the counts; empty when nothing is to be said. `as_before` says of each whether
/// the last run found the same: those are counted, and shown with `Verbose` only.
pub(super) fn problems(findings: &[Finding], as_before: &[bool], verbosity: Verbosity, look: &Look) -> String {
    let shown = table(&rows(findings, as_before, verbosity, look), look);
    match verbosity {
        Verbosity::Quiet | Verbosity::Verbose => shown,
        Verbosity::Normal => shown + &look.letters(&counted(findings, as_before)),
    }
}

/// `  9 warnings as in the last run; -v shows them`.
fn counted(findings: &[Finding], as_before: &[bool]) -> String {
    let standing = findings.iter().zip(as_before).filter(|(finding, same)| **same && finding.verdict != Verdict::Pass);
    let (skipped, warnings): (Vec<_>, Vec<_>) = standing.partition(|(finding, _)| finding.skipped);
    let part = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        several => Some(format!("{several} {one}s")),
    };
    let parts: Vec<String> =
        [part(warnings.len(), "warning"), part(skipped.len(), "skipped problem")].into_iter().flatten().collect();
    match warnings.len() + skipped.len() {
        0 => String::new(),
        1 => format!("  {} as in the last run; -v shows it\n", parts.join(" and ")),
        _ => format!("  {} as in the last run; -v shows them\n", parts.join(" and ")),
    }
}

/// One line of the answer: a finding, and everything it was found on.
struct Row {
    check: &'static str,
    verdict: Verdict,
    skipped: bool,
    subjects: Vec<String>,
    subject: String,
    seen: String,
    fix: String,
}

fn rows(findings: &[Finding], as_before: &[bool], verbosity: Verbosity, look: &Look) -> Vec<Row> {
    let shown = |finding: &Finding, as_before: bool| match verbosity {
        Verbosity::Quiet => finding.blocks(),
        Verbosity::Normal => finding.verdict != Verdict::Pass && !as_before,
        Verbosity::Verbose => true,
    };
    let as_before = as_before.iter().copied().chain(std::iter::repeat(false));
    let mut rows: Vec<Row> = Vec::new();
    for (finding, _) in findings.iter().zip(as_before).filter(|(finding, as_before)| shown(finding, *as_before)) {
        let subject = one_line(finding.subject.as_deref().unwrap_or_default());
        let (seen, fix) = (without(&finding.seen, &subject), without(&finding.fix, &subject));
        let same = |row: &&mut Row| {
            (row.check, row.verdict, row.skipped, &row.seen, &row.fix)
                == (finding.check, finding.verdict, finding.skipped, &seen, &fix)
        };
        match rows.iter_mut().find(same) {
            Some(row) => row.subjects.push(subject),
            None => rows.push(Row {
                check: finding.check,
                verdict: finding.verdict,
                skipped: finding.skipped,
                subjects: vec![subject],
                subject: String::new(),
                seen,
                fix,
            }),
        }
    }
    let nodes = nodes(findings);
    for row in &mut rows {
        let everywhere = nodes.len() > 1 && nodes.iter().all(|node| row.subjects.iter().any(|it| it == node));
        row.subject = match row.subjects.as_slice() {
            [one] if one.is_empty() => "all".to_owned(),
            _ if everywhere => "all".to_owned(),
            some => many(some, row.verdict, asked(findings, row.check)),
        };
        let names = row.subjects.join(", ");
        row.subject = look.letters(&row.subject);
        row.seen = row.seen.replace(PLACE, &names);
        row.fix = row.fix.replace(PLACE, &names);
    }
    // What blocks comes first; the sort keeps the order of the checks otherwise.
    rows.sort_by_key(|row| (row.skipped, std::cmp::Reverse(row.verdict)));
    rows
}

/// A few subjects by name. Of many, `all 15` when the check was asked of no others; when all is well, the first two will do.
fn many(subjects: &[String], verdict: Verdict, asked: usize) -> String {
    const FEW: usize = 3;
    const SHORT: usize = 24;
    let few = subjects.join(", ");
    match subjects {
        [_] => few,
        some if some.len() <= FEW && few.chars().count() <= SHORT => few,
        all if all.len() == asked => format!("all {asked}"),
        [first, second, rest @ ..] if verdict == Verdict::Pass && !rest.is_empty() => {
            format!("{first}, {second}, {} more", rest.len())
        }
        _ => few,
    }
}

/// Of how many subjects this check was asked.
fn asked(findings: &[Finding], check: &str) -> usize {
    findings.iter().filter(|finding| finding.check == check).count()
}

/// Stands for the subject's own name while texts are compared; cannot occur in a printable text.
const PLACE: &str = "\u{0}";

/// The text with each whole word that is the subject's name replaced by [`PLACE`].
fn without(text: &str, subject: &str) -> String {
    let text = printable(text);
    if subject.is_empty() {
        return text;
    }
    let part_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut result = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(subject) {
        let (before, after) = (&rest[..at], &rest[at + subject.len()..]);
        let starts = !before.ends_with(part_of_word);
        // A full stop ends a sentence; before a letter it belongs to a longer name.
        let ends = match after.strip_prefix('.') {
            Some(following) => !following.starts_with(part_of_word),
            None => !after.starts_with(part_of_word),
        };
        result.push_str(before);
        result.push_str(if starts && ends { PLACE } else { subject });
        rest = after;
    }
    result.push_str(rest);
    result
}

/// Every subject that is one machine, in the order of the findings.
fn nodes(findings: &[Finding]) -> Vec<&str> {
    let mut nodes = Vec::new();
    for subject in findings.iter().filter_map(|finding| finding.subject.as_deref()) {
        if !subject.contains(['→', '/']) && !nodes.contains(&subject) {
            nodes.push(subject);
        }
    }
    nodes
}

fn table(rows: &[Row], look: &Look) -> String {
    /// A subject longer than this moves its own line only.
    const WIDEST: usize = 24;
    let widest = |length: fn(&Row) -> usize| rows.iter().map(length).filter(|it| *it <= WIDEST).max().unwrap_or(0);
    let subjects = widest(|row| row.subject.chars().count()).max(6);
    let checks = widest(|row| row.check.chars().count()).max(12);
    let at_check = 4 + subjects + 2;
    let at_seen = at_check + checks + 2;
    let mut text = String::new();
    for row in rows {
        let (mark, tone) = match row.verdict {
            Verdict::Pass => (Mark::Good, Tone::Good),
            _ if row.skipped => (Mark::Skipped, Tone::Dim),
            Verdict::Warn => (Mark::Warning, Tone::Careful),
            Verdict::Unknown => (Mark::Unknown, Tone::Bad),
            Verdict::Fail => (Mark::Bad, Tone::Bad),
        };
        let skipped = if row.skipped && row.verdict != Verdict::Pass { " (skipped)" } else { "" };
        let seen = look.wrap(&format!("{}{skipped}", row.seen), at_seen);
        let check = look.paint(tone, row.check);
        let gap = " ".repeat(checks.saturating_sub(row.check.chars().count()));
        let mark = look.mark(mark);
        if look.width.is_some_and(|width| columns(&row.subject) > WIDEST.min(width / 2)) {
            // So many names that they need lines of their own.
            text.push_str(&format!("  {mark} {}\n{}", look.wrap(&row.subject, 4), " ".repeat(at_check)));
            text.push_str(&format!("{check}{gap}  {seen}\n"));
        } else {
            text.push_str(&format!("  {mark} {:<subjects$}  {check}{gap}  {seen}\n", row.subject));
        }
        if !row.fix.is_empty() {
            let fix = look.wrap(&row.fix.replace('\n', " "), at_check + 7);
            text.push_str(&format!("{}{}    {fix}\n", " ".repeat(at_check), look.paint(Tone::Strong, "fix")));
        }
    }
    look.letters(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &'static str, subject: &str, verdict: Verdict, seen: &str, fix: &str) -> Finding {
        let subject = (!subject.is_empty()).then(|| subject.to_owned());
        Finding { check, subject, verdict, seen: seen.into(), fix: fix.into(), skipped: false }
    }

    fn example() -> Vec<Finding> {
        let memory = |node: &str| finding("node.memory", node, Verdict::Pass, "8.0 GiB", "");
        let swap = |node: &str| {
            finding(
                "node.swap",
                node,
                Verdict::Warn,
                &format!("swap is on; {node} may stall"),
                &format!("swapoff on {node}."),
            )
        };
        let mut all: Vec<Finding> =
            ["n1", "n2", "n10"].into_iter().flat_map(|node| [memory(node), swap(node)]).collect();
        all.push(finding("rke.end-of-life", "", Verdict::Warn, "RKE1 ended on 31 July 2025", ""));
        all.push(finding(
            "net.overlay-udp",
            "n1→n10",
            Verdict::Unknown,
            "no answer on udp 8472",
            "let udp 8472 in on n10",
        ));
        all.push(finding(
            "docker.too-new",
            "n2",
            Verdict::Fail,
            "Docker 29.1 does not speak to this rke",
            "install Docker 28 on n2",
        ));
        all
    }

    #[test]
    fn problems_come_first_and_the_same_one_once() {
        insta::assert_snapshot!(findings(&example(), 1.12, Verbosity::Normal, &Look::PLAIN), @r"
          ✗ n2      docker.too-new   Docker 29.1 does not speak to this rke
                    fix    install Docker 28 on n2
          ? n1→n10  net.overlay-udp  no answer on udp 8472
                    fix    let udp 8472 in on n10
          ! all     node.swap        swap is on; n1, n2, n10 may stall
                    fix    swapoff on n1, n2, n10.
          ! all     rke.end-of-life  RKE1 ended on 31 July 2025

          9 checks · 3 passed · 4 warnings · 1 failed · 1 unknown · 1.1s       cowhand explain docker.too-new tells more
        ");
    }

    #[test]
    fn everything_is_there_when_asked_for() {
        let text = findings(&example(), 0.0, Verbosity::Verbose, &Look::PLAIN);
        assert!(text.contains("✓ all     node.memory      8.0 GiB\n"), "{text}");
    }

    #[test]
    fn quiet_leaves_only_what_blocks() {
        insta::assert_snapshot!(findings(&example(), 0.0, Verbosity::Quiet, &Look::PLAIN), @r"
          ✗ n2      docker.too-new   Docker 29.1 does not speak to this rke
                    fix    install Docker 28 on n2
          ? n1→n10  net.overlay-udp  no answer on udp 8472
                    fix    let udp 8472 in on n10
        ");
        assert_eq!(findings(&example()[..2], 0.0, Verbosity::Quiet, &Look::PLAIN), "");
    }

    #[test]
    fn a_skipped_problem_is_shown_as_such_and_comes_last() {
        let mut all = example();
        for it in all.iter_mut().filter(|it| it.check == "docker.too-new") {
            it.skipped = true;
        }
        let text = findings(&all, 0.0, Verbosity::Normal, &Look::PLAIN);
        let line = text.lines().position(|line| line.contains("docker.too-new")).unwrap();
        assert!(text.lines().nth(line).unwrap().starts_with("  - n2 "), "{text}");
        assert!(text.lines().nth(line).unwrap().ends_with("(skipped)"), "{text}");
        assert_eq!(Counts::of(&all).text(), "9 checks · 3 passed · 4 warnings · 1 unknown · 1 skipped");
    }

    #[test]
    fn what_stands_since_the_last_run_is_counted_and_what_is_new_is_shown() {
        let all = example();
        let as_before: Vec<bool> =
            all.iter().map(|one| one.verdict == Verdict::Warn && one.check == "node.swap").collect();
        let told = |verbosity| problems(&all, &as_before, verbosity, &Look::PLAIN);
        let normal = told(Verbosity::Normal);
        assert!(!normal.contains("node.swap") && normal.contains("rke.end-of-life"), "{normal}");
        assert!(normal.ends_with("\n  3 warnings as in the last run; -v shows them\n"), "{normal}");
        assert!(told(Verbosity::Verbose).contains("node.swap") && !told(Verbosity::Verbose).contains("last run"));
        assert!(!told(Verbosity::Quiet).contains("last run"));
        let one = problems(&all[1..2], &[true], Verbosity::Normal, &Look::PLAIN);
        assert_eq!(one, "  1 warning as in the last run; -v shows it\n");
        let skipped = Finding { skipped: true, verdict: Verdict::Fail, ..all[1].clone() };
        let two = problems(&[all[1].clone(), skipped], &[true, true], Verbosity::Normal, &Look::PLAIN);
        assert_eq!(two, "  1 warning and 1 skipped problem as in the last run; -v shows them\n");
        assert_eq!(
            problems(&all[..1], &[true], Verbosity::Normal, &Look::PLAIN),
            "",
            "what passed is nothing to count"
        );
    }

    #[test]
    fn many_names_get_lines_of_their_own_on_a_terminal() {
        let pair =
            |from: usize, to: usize| finding("net.overlay", &format!("node{from}→node{to}"), Verdict::Fail, "shut", "");
        let mut all: Vec<Finding> = (1..4).flat_map(|from| (1..4).map(move |to| pair(from, to))).collect();
        all.push(finding("net.overlay", "node4", Verdict::Pass, "open", ""));
        let look = Look { width: Some(60), ..Look::PLAIN };
        let text = findings(&all, 0.0, Verbosity::Verbose, &look);
        assert!(text.lines().all(|line| columns(line) <= 60), "{text}");
        assert!(text.contains("node3→node3\n") && text.contains("  net.overlay   shut\n"), "{text}");
        let file = findings(&all, 0.0, Verbosity::Verbose, &Look::PLAIN);
        assert_eq!(file.lines().count(), 4, "one finding stays one line where grep reads it: {file}");
    }

    #[test]
    fn many_subjects_are_counted_and_those_in_trouble_are_named() {
        let on = |subject: &str, verdict, seen| finding("outside.ping", subject, verdict, seen, "");
        let subjects = ["n1", "n2", "dns 10.0.0.1", "dns 10.0.0.2", "n1→dns 10.0.0.1"];
        let subject = |findings: &[Finding]| {
            let text = super::findings(findings, 0.0, Verbosity::Verbose, &Look::PLAIN);
            text.lines().next().unwrap()[6..].split("  ").next().unwrap().to_owned()
        };
        let mut all: Vec<Finding> = subjects.iter().map(|it| on(it, Verdict::Pass, "pong")).collect();
        all.push(finding("outside.replicas", "rancher", Verdict::Pass, "3 of 3", ""));
        assert_eq!(subject(&all), "all 5");
        all.insert(5, on("balancer 192.0.2.7", Verdict::Pass, "pong, after a while"));
        assert_eq!(subject(&all), "n1, n2, 3 more");
        for it in all.iter_mut().filter(|it| it.seen == "pong") {
            it.verdict = Verdict::Fail;
        }
        assert_eq!(subject(&all), "n1, n2, dns 10.0.0.1, dns 10.0.0.2, n1→dns 10.0.0.1");
    }

    #[test]
    fn a_name_inside_another_name_stays() {
        assert_eq!(without("n1, n10, n1.example.com, on n1. Then n1", "n1"), "\0, n10, n1.example.com, on \0. Then \0");
    }

    #[test]
    fn a_narrow_terminal_gets_broken_lines_and_a_poor_one_ascii() {
        let look = Look { colour: false, unicode: false, width: Some(60) };
        insta::assert_snapshot!(findings(&example()[7..], 0.0, Verbosity::Normal, &look), @r"
          x n2       docker.too-new   Docker 29.1 does not speak to
                                      this rke
                     fix    install Docker 28 on n2
          ? n1->n10  net.overlay-udp  no answer on udp 8472
                     fix    let udp 8472 in on n10

          2 checks - 0 passed - 1 failed - 1 unknown - 0.0s
          cowhand explain docker.too-new tells more
        ");
    }
}
