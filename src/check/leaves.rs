//! RKE's own certificates, before they end: with them the cluster ends.

use super::{Answer, Check, Context};

pub const LASTING: Check = Check {
    id: "cluster.certificates",
    what: "RKE's certificates of the cluster's own parts last 60 days or more",
    why: "nobody renews them by themselves, and when one ends, etcd or the API is away",
    fix: "`cowhand rotate` renews them while the cluster runs; `cowhand certs` shows each",
    run: lasting,
    offline: true,
};

/// In hours.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(60 * 24);

fn lasting(context: &Context) -> Vec<Answer> {
    let Some((name, ends)) = &context.workspace.first_leaf else { return Vec::new() };
    // Whoever built a cluster that was there before renews its certificates.
    if !context.builds_nodes() {
        return Vec::new();
    }
    let left = ends.duration_since(context.now);
    let day = ends.strftime("%Y-%m-%d");
    let fix = || LASTING.fix.to_owned();
    vec![match left {
        left if left.is_negative() => {
            Answer::warn(format!("{name} has ended on {day}"), "`cowhand rotate --plan` says what is left then")
        }
        left if left < SOON => Answer::warn(format!("{name} ends on {day}, in {} days", left.as_hours() / 24), fix()),
        left => Answer::pass(format!("{name} ends first, in {} days", left.as_hours() / 24)),
    }]
}
