//! Whether a chain is accepted, as Go decides it (crypto/x509: verify.go, Verify): every way up to a root is tried, one good
//! one is enough.

use jiff::Timestamp;

use super::certificate::AgentCertificate;
use super::signed::{Signed, signed_by};

/// What an agent is shown, what it trusts, and what it called.
pub(crate) struct Trial<'t, 'a> {
    pub leaf: &'t AgentCertificate<'a>,
    /// What the server sends beside its own certificate.
    pub sent: &'t [AgentCertificate<'a>],
    pub roots: &'t [AgentCertificate<'a>],
    pub hostname: &'t str,
    pub now: Timestamp,
}

/// Why no way up is good: the first fault that was met, and on which certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused<'a> {
    pub der: &'a [u8],
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    #[error("it has the critical extension {0}, which Go does not know")]
    Critical(String),
    #[error("it has not begun")]
    NotYet,
    #[error("it has ended")]
    Ended,
    #[error("it is not made for {0}")]
    Name(String),
    #[error("it is not a CA that may sign certificates")]
    NotACa,
    #[error("there are more CAs below it than its path length allows")]
    PathLength,
    #[error("no CA that is trusted signed it")]
    UnknownIssuer,
    #[error("its extended key usage does not let a server use it")]
    Usage,
    #[error("{0} (name constraints)")]
    Constraint(String),
    #[error("it requires a certificate policy that is not in every certificate below it")]
    Policy,
    #[error("too many CAs of the same name were tried")]
    TooMany,
}

/// `Ok(false)`: accepted, provided that signatures are good that cannot be computed here.
pub(crate) fn try_out<'a>(trial: &Trial<'_, 'a>) -> Result<bool, Refused<'a>> {
    let leaf = trial.leaf;
    let refuse = |why| Err(Refused { der: leaf.der, why });
    if let Some(why) = fault(leaf, Place::Leaf, 0, trial.now) {
        return refuse(why);
    }
    if leaf.extensions.names.as_ref().is_none_or(|names| names.covering(trial.hostname).is_none()) {
        return refuse(Why::Name(trial.hostname.to_owned()));
    }
    let mut search = Search { trial, chains: Vec::new(), tries: 0, first: None };
    if trial.roots.iter().any(|root| root.der == leaf.der) {
        search.chains.push(Chain { up: vec![leaf], sure: true });
    } else {
        search.climb(&Chain { up: vec![leaf], sure: true });
    }
    if search.tries > MOST_TRIES {
        return refuse(Why::TooMany);
    }
    let mut first = search.first;
    let mut accepted = None;
    for chain in &search.chains {
        match against(&chain.up) {
            Some(refused) => first = first.or(Some(refused)),
            None => accepted = Some(accepted.unwrap_or(false) || chain.sure),
        }
    }
    accepted.ok_or_else(|| first.unwrap_or(Refused { der: leaf.der, why: Why::UnknownIssuer }))
}

/// Go: maxChainSignatureChecks.
const MOST_TRIES: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Leaf,
    Intermediate,
    Root,
}

/// From the leaf upwards.
#[derive(Clone)]
struct Chain<'t, 'a> {
    up: Vec<&'t AgentCertificate<'a>>,
    /// Every signature was computed.
    sure: bool,
}

struct Search<'s, 't, 'a> {
    trial: &'s Trial<'t, 'a>,
    chains: Vec<Chain<'t, 'a>>,
    tries: usize,
    first: Option<Refused<'a>>,
}

impl<'t, 'a> Search<'_, 't, 'a> {
    /// Go: buildChains.
    fn climb(&mut self, so_far: &Chain<'t, 'a>) {
        let Some(below) = so_far.up.last().copied() else { return };
        for (place, pool) in [(Place::Root, self.trial.roots), (Place::Intermediate, self.trial.sent)] {
            for above in pool.iter().filter(|above| above.subject == below.issuer) {
                self.tries += 1;
                if self.tries > MOST_TRIES {
                    return;
                }
                if already_in(above, &so_far.up) {
                    continue;
                }
                let refused = |why| Refused { der: above.der, why };
                let sure = match signed(below, above) {
                    Ok(sure) => sure && so_far.sure,
                    Err(why) => {
                        self.first.get_or_insert(refused(why));
                        continue;
                    }
                };
                if let Some(why) = fault(above, place, so_far.up.len() - 1, self.trial.now) {
                    self.first.get_or_insert(refused(why));
                    continue;
                }
                let mut longer = Chain { up: so_far.up.clone(), sure };
                longer.up.push(above);
                match place {
                    Place::Root => self.chains.push(longer),
                    Place::Intermediate | Place::Leaf => self.climb(&longer),
                }
            }
        }
    }
}

/// Go: CheckSignatureFrom. Whether that is sure.
fn signed(below: &AgentCertificate<'_>, above: &AgentCertificate<'_>) -> Result<bool, Why> {
    if !may_sign(above) {
        return Err(Why::NotACa);
    }
    match signed_by(below, above) {
        Signed::Yes => Ok(true),
        Signed::CannotTell => Ok(false),
        Signed::No => Err(Why::UnknownIssuer),
    }
}

/// A root of version 1 has no extensions that could say so, and may.
fn may_sign(ca: &AgentCertificate<'_>) -> bool {
    const KEY_CERT_SIGN: u16 = 1 << 5;
    let usage = ca.extensions.key_usage;
    let basic = ca.extensions.basic;
    basic.map_or(ca.version != 3, |basic| basic.ca) && (usage == 0 || usage & KEY_CERT_SIGN != 0)
}

/// Go: isValid.
fn fault(one: &AgentCertificate<'_>, place: Place, below: usize, now: Timestamp) -> Option<Why> {
    if let Some(id) = one.extensions.unhandled.first() {
        return Some(Why::Critical(id.clone()));
    }
    if now < one.from {
        return Some(Why::NotYet);
    }
    if now > one.to {
        return Some(Why::Ended);
    }
    if place == Place::Intermediate && !one.extensions.basic.is_some_and(|basic| basic.ca) {
        return Some(Why::NotACa);
    }
    let limit = one.extensions.basic.and_then(|basic| basic.path_length);
    (place != Place::Leaf && limit.is_some_and(|limit| below as u64 > limit)).then_some(Why::PathLength)
}

/// The same name, key and alternative names. Go: alreadyInChain.
fn already_in(candidate: &AgentCertificate<'_>, chain: &[&AgentCertificate<'_>]) -> bool {
    let twins = chain.iter().filter(|one| one.subject == candidate.subject && one.key_info == candidate.key_info);
    for twin in twins {
        match (candidate.extensions.raw_names, twin.extensions.raw_names) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other => return true,
            (Some(_), Some(_)) => {}
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
    false
}

/// What is asked of a chain as a whole.
fn against<'a>(chain: &[&AgentCertificate<'a>]) -> Option<Refused<'a>> {
    if let Some(one) = policy_is_missing(chain) {
        return Some(Refused { der: one.der, why: Why::Policy });
    }
    if let Some(one) = chain.iter().rev().find(|one| !one.extensions.usages.let_a_server_be()) {
        return Some(Refused { der: one.der, why: Why::Usage });
    }
    chain.iter().enumerate().find_map(|(index, one)| {
        let names = one.extensions.names.as_ref()?;
        chain[index + 1..].iter().find_map(|ca| {
            let said = ca.extensions.constraints.as_ref()?.against(names)?;
            Some(Refused { der: ca.der, why: Why::Constraint(said) })
        })
    })
}

/// Where one below the root requires a policy, all below the root must name the same one, and none may map it to another. Go
/// (policiesValid) takes a few chains more; it asks no root.
fn policy_is_missing<'t, 'a>(chain: &[&'t AgentCertificate<'a>]) -> Option<&'t AgentCertificate<'a>> {
    const ANY: &[u8] = &[0x55, 0x1d, 0x20, 0x00];
    let (_, below) = chain.split_last()?;
    let asks = |one: &&&AgentCertificate<'_>| one.extensions.requires_policy || one.extensions.maps_policies;
    let asking = below.iter().find(asks)?;
    let named = |policy: &&[u8]| below.iter().all(|one| one.extensions.policies.contains(policy));
    let shared = below.first()?.extensions.policies.iter().filter(|policy| **policy != ANY).any(named);
    let maps = below.iter().any(|one| one.extensions.maps_policies);
    (!shared || maps).then_some(*asking)
}
