//! Clocks: of the nodes against each other, against the laptop, and whether somebody keeps them.

use crate::facts::{ClockOffset, median};

use super::{Answer, Check, Context, Verdict};

/// Seconds. etcd and certificates live with less than two; at thirty certificates are "not yet valid" for whole waits.
const WARN_ABOVE: f64 = 2.0;
const FAIL_ABOVE: f64 = 30.0;

/// The middle of the nodes' clocks, so that one wrong clock does not make the others look wrong.
fn middle(context: &Context) -> Option<f64> {
    median(context.reached().filter_map(|(_, reached)| reached.clock.as_ref().ok()).map(|clock| clock.seconds))
}

/// `away` seconds, give or take `uncertainty`: the verdict that holds in the better and in the worse case.
fn verdict(away: f64, uncertainty: f64) -> Verdict {
    let (least, most) = ((away.abs() - uncertainty).max(0.0), away.abs() + uncertainty);
    if least > FAIL_ABOVE {
        Verdict::Fail
    } else if most > WARN_ABOVE {
        Verdict::Warn
    } else {
        Verdict::Pass
    }
}

fn direction(away: f64) -> &'static str {
    if away < 0.0 { "behind" } else { "ahead of" }
}

fn told(away: f64, clock: ClockOffset, than: &str) -> String {
    format!("{:.1} s {} {than} (± {:.1} s)", away.abs(), direction(away), clock.uncertainty)
}

pub const SKEW: Check = Check {
    id: "clock.skew",
    what: "the node's clock is within 2 s of the middle of all nodes; above 30 s it fails",
    why: "certificates made on one node are not yet valid on another, and etcd's leases and Rancher's tokens run by the clock",
    fix: "let chrony or systemd-timesyncd keep the clock",
    run: skew,
    offline: false,
};

fn skew(context: &Context) -> Vec<Answer> {
    let Some(middle) = middle(context) else {
        return context.every_node(|node, reached| match &reached.clock {
            Ok(_) => Answer::pass("the only clock"),
            Err(unseen) => Answer::unknown("the clock", unseen, format!("see what `date` says on {}", node.name)),
        });
    };
    context.every_node(|node, reached| {
        let fix = format!("on {}, `sudo timedatectl set-ntp true` (or `sudo chronyc makestep`)", node.name);
        match &reached.clock {
            Ok(clock) => {
                let away = clock.seconds - middle;
                let seen = told(away, *clock, "the middle of the nodes");
                match verdict(away, clock.uncertainty) {
                    Verdict::Pass => Answer::pass(seen),
                    Verdict::Warn => Answer::warn(seen, fix),
                    Verdict::Fail | Verdict::Unknown => Answer::fail(seen, fix),
                }
            }
            Err(unseen) => Answer::unknown("the clock", unseen, fix),
        }
    })
}

pub const LAPTOP: Check = Check {
    id: "clock.laptop",
    what: "this machine's clock is within 2 s of the nodes'; above 30 s it fails",
    why: "rke and cowhand make certificates here that begin to be valid now; nodes that are behind refuse them",
    fix: "set the clock of this machine, or of the nodes",
    run: laptop,
    offline: false,
};

fn laptop(context: &Context) -> Vec<Answer> {
    let Some(middle) = middle(context) else { return Vec::new() };
    let uncertainty = context.reached().filter_map(|(_, reached)| reached.clock.as_ref().ok());
    let uncertainty = uncertainty.map(|clock| clock.uncertainty).fold(f64::INFINITY, f64::min);
    // the other way round: how far this machine is from them
    let seen = told(-middle, ClockOffset { seconds: -middle, uncertainty }, "the nodes");
    let fix = "set this machine's clock, e.g. `sudo timedatectl set-ntp true`";
    vec![match verdict(middle, uncertainty) {
        Verdict::Pass => Answer::pass(seen),
        Verdict::Warn => Answer::warn(seen, fix),
        Verdict::Fail | Verdict::Unknown => Answer::fail(seen, fix),
    }]
}

pub const TIME_SERVICE: Check = Check {
    id: "clock.ntp",
    what: "a time service keeps the clock",
    why: "clocks that agree today drift apart; when they do, certificates and etcd fail months later",
    fix: "sudo timedatectl set-ntp true, or install chrony",
    run: time_service,
    offline: false,
};

fn time_service(context: &Context) -> Vec<Answer> {
    context.every_node(|node, reached| {
        let fix = format!("on {}, `sudo timedatectl set-ntp true`, or install chrony", node.name);
        match &reached.facts.time_synchronised {
            Ok(true) => Answer::pass("synchronised"),
            Ok(false) => Answer::warn("the clock is not synchronised", fix),
            Err(unseen) => Answer::unseen_advice("the time service", unseen, fix),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rough_measurement_never_fails_and_never_passes_what_it_cannot_tell() {
        assert_eq!(verdict(0.1, 0.05), Verdict::Pass);
        assert_eq!(verdict(-3.0, 0.05), Verdict::Warn);
        assert_eq!(verdict(0.1, 4.0), Verdict::Warn);
        assert_eq!(verdict(-31.0, 0.5), Verdict::Fail);
        assert_eq!(verdict(31.0, 4.0), Verdict::Warn);
    }
}
