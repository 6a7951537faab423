use std::time::Duration;

use indicatif::{InMemoryTerm, TermLike};

use super::super::plain::tests::a_run;
use super::*;

const TERMINAL: Look = Look { colour: false, unicode: true, width: Some(73) };

fn start(look: Look, verbosity: Verbosity) -> (Bars, InMemoryTerm) {
    let width = look.width.and_then(|width| u16::try_from(width).ok()).unwrap_or(80);
    let terminal = InMemoryTerm::new(40, width);
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    (Bars::new(look, verbosity, target), terminal)
}

/// As the shower does it: what stands above is written while the list is away.
fn tell(bars: &mut Bars, terminal: &InMemoryTerm, event: &Event) {
    let above = bars.event(event);
    bars.hide();
    above.lines().for_each(|line| terminal.write_line(line).unwrap());
    bars.show();
    bars.tick();
}

fn play(events: &[Event], look: Look, verbosity: Verbosity) -> (Bars, InMemoryTerm) {
    let (mut bars, terminal) = start(look, verbosity);
    events.iter().for_each(|event| tell(&mut bars, &terminal, event));
    (bars, terminal)
}

/// The screen after the run, with what comes below the list.
fn end(mut bars: Bars, terminal: &InMemoryTerm) -> (String, String) {
    let (last, results) = bars.end();
    drop(bars);
    last.lines().for_each(|line| terminal.write_line(line).unwrap());
    terminal.write_line("below").unwrap();
    (terminal.contents(), results)
}

#[test]
fn in_the_middle_of_a_run() {
    let (bars, terminal) = play(&a_run()[..9], TERMINAL, Verbosity::Normal);
    bars.lines[1].bar.set_elapsed(Duration::from_secs(62));
    bars.lines[1].dress(&TERMINAL);
    insta::assert_snapshot!(terminal.contents(), @r"
      ! n1, n2  node.swap     swap is on
                fix    swapoff -a on n1, n2
      ✓ check            1.1s  3 checks, 2 warnings
      ⠇ cert-manager    1m02s  webhook: 0 of 1 ready  (usually 12s)
      · rancher
        total              0s
    ");
}

#[test]
fn at_the_end_the_list_stays_and_the_results_follow() {
    let (bars, terminal) = play(&a_run(), TERMINAL, Verbosity::Normal);
    let (screen, results) = end(bars, &terminal);
    insta::assert_snapshot!(screen, @r"
      ! n1, n2  node.swap     swap is on
                fix    swapoff -a on n1, n2
      ! the CA ends in 20 days
        helm v3.18.0 from PATH
      ✓ check            1.1s  3 checks, 2 warnings
      ✓ cert-manager    1m52s  v1.11.5
      ✗ rancher         5m00s  not Ready after 5m; last seen
                               CrashLoopBackOff
        total              0s
    below
    ");
    assert_eq!(results, "https://rancher.example.com answers\n");
}

#[test]
fn a_run_that_was_cut_off_says_where() {
    let (bars, terminal) = play(&a_run()[..9], TERMINAL, Verbosity::Normal);
    let screen = end(bars, &terminal).0;
    assert!(screen.contains("✗ cert-manager     0.0s  stopped at: webhook: 0 of 1 ready"), "{screen}");
    assert!(screen.contains("· rancher\n    total              0s\nbelow"), "{screen}");
}

#[test]
fn no_line_is_wider_than_a_narrow_terminal_and_a_wider_one_is_used() {
    let narrow = Look { width: Some(40), ..TERMINAL };
    let (mut bars, terminal) = play(&a_run()[6..17], narrow, Verbosity::Normal);
    let screen = terminal.contents();
    // The reason is broken, not cut.
    let reason = screen.split_once("✗ rancher").map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>().join(" "));
    assert!(reason.is_some_and(|text| text.ends_with("last seen CrashLoopBackOff")), "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() < 40), "{screen}");
    bars.resize(Some(200));
    assert_eq!(bars.lines[1].bar.message(), "not Ready after 5m; last seen CrashLoopBackOff");
}

#[test]
fn a_text_without_end_is_cut_after_three_lines() {
    let stage = Stage::Check;
    let words = "webhook ".repeat(100);
    let events = [Event::StageStarted { stage }, Event::Progress { stage, text: words, part: None }];
    let (_bars, terminal) = play(&events, Look { width: Some(60), ..TERMINAL }, Verbosity::Normal);
    let screen = terminal.contents();
    assert!(screen.lines().count() == 3 && screen.ends_with('…'), "{screen}");
}

#[test]
fn a_stage_that_tells_how_far_it_is_gets_a_bar() {
    let stage = Stage::Check;
    let told = |part| Event::Progress { stage, text: "rke 12/25: etcd started".into(), part };
    let (mut bars, terminal) = play(&[Event::StageStarted { stage }, told(Some(0.5))], TERMINAL, Verbosity::Normal);
    assert!(terminal.contents().contains("0s  ━━━━━━━━╸───────  rke 12/25: etcd started"), "{}", terminal.contents());
    tell(&mut bars, &terminal, &told(None));
    assert!(terminal.contents().contains("0s  rke 12/25: etcd started"), "{}", terminal.contents());
    // Where there is no room for both, the text is worth more.
    bars.resize(Some(50));
    tell(&mut bars, &terminal, &told(Some(0.5)));
    assert!(!terminal.contents().contains('━'), "{}", terminal.contents());
}

#[test]
fn wide_letters_take_two_columns() {
    let look = Look { width: Some(40), ..TERMINAL };
    let events = [
        Event::StageStarted { stage: Stage::Check },
        Event::Progress { stage: Stage::Check, text: "節点節点節点節点節点".into(), part: None },
    ];
    let (_bars, terminal) = play(&events, look, Verbosity::Normal);
    assert!(terminal.contents().ends_with("0s\n      節点節点節点節点節点"), "{}", terminal.contents());
}

#[test]
fn a_run_of_one_stage_leaves_no_list() {
    let stage = Stage::Check;
    let events = [
        Event::RunStarted {
            command: "check",
            cluster: "prod".into(),
            summary: String::new(),
            stages: vec![stage],
            usual: vec![],
        },
        Event::StageStarted { stage },
        Event::Progress { stage, text: "2 of 3 nodes answered".into(), part: None },
    ];
    let (bars, terminal) = play(&events, TERMINAL, Verbosity::Normal);
    assert!(terminal.contents().contains("2 of 3 nodes answered"));
    assert_eq!(end(bars, &terminal).0, "below");
}

#[test]
fn down_leaves_its_line_because_nothing_else_says_that_all_is_gone() {
    let stage = Stage::Remove;
    let text = "nothing of lab is left on 3 nodes".to_owned();
    let events = [
        Event::RunStarted {
            command: "down",
            cluster: "lab".into(),
            summary: String::new(),
            stages: vec![stage],
            usual: vec![],
        },
        Event::StageStarted { stage },
        Event::StageFinished { stage, outcome: Outcome::Changed, text, seconds: 9.0 },
    ];
    let (bars, terminal) = play(&events, TERMINAL, Verbosity::Normal);
    let screen = end(bars, &terminal).0;
    assert!(screen.contains("✓ remove") && screen.contains("nothing of lab is left on 3 nodes"), "{screen}");
    assert!(screen.ends_with("\nbelow"), "{screen}");
}

#[test]
fn verbose_leaves_the_steps_above() {
    let (_bars, terminal) = play(&a_run(), TERMINAL, Verbosity::Verbose);
    let screen = terminal.contents();
    assert!(screen.contains("cert-manager  apply Issuer rancher\n                kind: Issuer\n"), "{screen}");
}

#[test]
fn a_download_has_a_bar_as_long_as_it_lasts() {
    let part = |done, total| Event::Download { what: "helm v3.18.6".into(), fetched: Fetched::Part { done, total } };
    let (mut bars, terminal) = play(&a_run()[..7], TERMINAL, Verbosity::Normal);
    tell(&mut bars, &terminal, &part(0, Some(20 << 20)));
    tell(&mut bars, &terminal, &part(5 << 20, Some(20 << 20)));
    let screen = terminal.contents();
    assert!(screen.contains("helm v3.18.6   ━━━━━━╸───────────────── 5.00 MiB/20.00 MiB, "), "{screen}");
    let whole = Event::Download { what: "helm v3.18.6".into(), fetched: Fetched::Whole };
    tell(&mut bars, &terminal, &whole);
    assert!(!terminal.contents().contains("helm"), "{}", terminal.contents());
}

#[test]
fn colours_are_the_looks() {
    let (_bars, terminal) = play(&a_run()[..7], TERMINAL, Verbosity::Normal);
    let written = |terminal: &InMemoryTerm| String::from_utf8(terminal.contents_formatted()).unwrap();
    assert!(!written(&terminal).contains("\u{1b}[32m"), "{:?}", written(&terminal));
    let (_bars, terminal) = play(&a_run()[..7], Look { colour: true, ..TERMINAL }, Verbosity::Normal);
    assert!(written(&terminal).contains("\u{1b}[32m"), "{:?}", written(&terminal));
}
