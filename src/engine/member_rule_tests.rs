use proptest::prelude::*;

use super::*;

/// `n1 n2! n3? n4l n5a n6r`: n2 does not answer, n3 has no name yet, n4 is a learner, n5 has an alarm, n6 is being restarted.
fn etcd(words: &str) -> Vec<Member> {
    let read = |word: &str| {
        let node = word.get(..2).unwrap_or(word);
        let is = |mark: char| word.ends_with(mark);
        Member {
            named: !is('?'),
            learner: is('l'),
            answers: !is('!') && !is('?'),
            alarm: is('a'),
            restarting: is('r'),
            ..Member::well(node)
        }
    };
    words.split_whitespace().map(read).collect()
}

/// `+n4`, `-n1`, `n1>n4`, `@n1` for a restart.
fn change(text: &str) -> MemberChange {
    if let Some((leaves, joins)) = text.split_once('>') {
        return MemberChange::Replace { leaves: leaves.into(), joins: joins.into() };
    }
    let node = text[1..].to_owned();
    match &text[..1] {
        "+" => MemberChange::Join { node },
        "-" => MemberChange::Leave { node },
        _ => MemberChange::Restart { node },
    }
}

fn word(answer: &Answer) -> String {
    match answer {
        Answer::Go => "go".into(),
        Answer::WaitFor { nodes, why: Wait::Down } => format!("wait {}", nodes.join(" ")),
        Answer::WaitFor { nodes, why: Wait::Learner } => format!("learner {}", nodes.join(" ")),
        Answer::Person { why: Person::NoQuorum { answer, voters } } => format!("recover {answer}/{voters}"),
        Answer::Person { why: Person::LastMember { .. } } => "last".into(),
        Answer::Person { why: Person::Away { voters, .. } } => format!("away {voters}"),
        Answer::Person { why: Person::Alarm { nodes } } => format!("alarm {}", nodes.join(" ")),
    }
}

#[test]
fn the_rule_as_a_table() {
    let table = [
        // The first member, and what one or two may do.
        ("", "+n1", "go"),
        ("n1", "+n2", "go"),
        ("n1", "-n1", "last"),
        ("n1", "n1>n2", "last"),
        ("n1", "@n1", "away 1"),
        ("n1!", "+n2", "recover 0/1"),
        ("n1!", "@n1", "recover 0/1"),
        ("n1 n2", "+n3", "go"),
        ("n1 n2", "-n2", "go"),
        ("n1 n2", "n2>n3", "go"),
        ("n1 n2", "@n2", "away 2"),
        ("n1 n2!", "-n2", "recover 1/2"),
        ("n1 n2!", "+n3", "recover 1/2"),
        ("n1 n2?", "-n2", "recover 1/2"),
        // Three, all well: each single change.
        ("n1 n2 n3", "+n4", "go"),
        ("n1 n2 n3", "-n3", "go"),
        ("n1 n2 n3", "n3>n4", "go"),
        ("n1 n2 n3", "@n3", "go"),
        // Three, one down: mend or replace that one, touch no other.
        ("n1! n2 n3", "-n1", "go"),
        ("n1! n2 n3", "n1>n4", "go"),
        ("n1! n2 n3", "@n1", "go"),
        ("n1! n2 n3", "+n4", "wait n1"),
        ("n1! n2 n3", "-n2", "wait n1"),
        ("n1! n2 n3", "n2>n4", "wait n1"),
        ("n1! n2 n3", "@n2", "wait n1"),
        ("n1r n2 n3", "@n2", "wait n1"),
        ("n1r n2 n3", "-n1", "go"),
        ("n1! n2! n3", "-n1", "recover 1/3"),
        ("n1! n2! n3", "@n1", "recover 1/3"),
        ("n1r n2r n3", "@n3", "wait n1 n2"),
        ("n1r n2! n3", "@n3", "wait n1"),
        ("n1! n2! n3r", "-n1", "recover 0/3"),
        // Four: three of them are the majority.
        ("n1 n2 n3 n4", "+n5", "go"),
        ("n1 n2 n3 n4", "-n4", "go"),
        ("n1 n2 n3 n4", "@n1", "go"),
        ("n1 n2 n3 n4!", "-n4", "go"),
        ("n1 n2 n3 n4!", "-n1", "go"),
        ("n1 n2 n3 n4!", "@n1", "wait n4"),
        ("n1 n2 n3 n4!", "+n5", "go"),
        ("n1 n2 n3! n4!", "-n4", "recover 2/4"),
        // Five: two may be gone.
        ("n1 n2 n3 n4 n5", "-n5", "go"),
        ("n1 n2 n3 n4 n5!", "@n1", "go"),
        ("n1 n2 n3 n4 n5!", "+n6", "go"),
        ("n1 n2 n3 n4! n5!", "@n1", "wait n4 n5"),
        ("n1 n2 n3 n4! n5!", "-n5", "go"),
        ("n1 n2 n3 n4! n5!", "-n1", "wait n4 n5"),
        ("n1 n2 n3 n4! n5!", "+n6", "wait n4 n5"),
        ("n1 n2 n3! n4! n5!", "-n5", "recover 2/5"),
        // A learner is first promoted or taken out; it counts for no majority.
        ("n1 n2 n3 n4l", "+n5", "learner n4"),
        ("n1 n2 n3 n4l", "-n1", "learner n4"),
        ("n1 n2 n3 n4l", "@n1", "learner n4"),
        ("n1 n2 n3 n4l", "-n4", "go"),
        ("n1 n2l", "-n1", "last"),
        ("n1! n2l n3l", "-n2", "recover 0/1"),
        // Added and never started: it is down, and can be started or taken out.
        ("n1 n2 n3 n4?", "-n4", "go"),
        ("n1 n2 n3 n4?", "+n4", "go"),
        ("n1 n2 n3 n4?", "@n1", "wait n4"),
        ("n1 n2 n3! n4?", "-n4", "recover 2/4"),
        // An alarm does not go by itself.
        ("n1a n2 n3", "@n2", "alarm n1"),
        ("n1a n2 n3", "+n4", "alarm n1"),
        ("n1a n2 n3", "@n1", "go"),
        ("n1a n2a n3", "@n3", "alarm n1 n2"),
        ("n1a n2! n3 n4 n5", "@n3", "wait n2"),
        // What has happened already.
        ("n1 n2 n3", "-n9", "go"),
        ("n1 n2 n3", "+n3", "go"),
    ];
    for (members, asked, expected) in table {
        assert_eq!(word(&judge(&etcd(members), &change(asked))), expected, "{members} with {asked}");
    }
}

#[test]
fn restart_rotation_and_upgrade_are_judged_alike_and_told_apart() {
    let node = || "n1".to_owned();
    let all = [
        MemberChange::Restart { node: node() },
        MemberChange::Rotate { node: node() },
        MemberChange::Upgrade { node: node() },
    ];
    for members in ["n1", "n1 n2 n3", "n1 n2! n3", "n1 n2l n3"] {
        let answers = all.clone().map(|change| judge(&etcd(members), &change));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    let told = all.map(|change| change.to_string());
    assert!(told[0] != told[1] && told[1] != told[2] && told[0] != told[2]);
}

#[test]
fn members_are_read_from_etcds_own_answers() {
    use crate::facts::etcd::{EtcdAnswer, Health, Member as Listed};
    let listed = |name: &str, address: &str| Listed {
        id: 1,
        name: name.into(),
        addresses: vec![address.into()],
        learner: name.is_empty(),
    };
    let vote = |host: &str, error: &str| Health {
        endpoint: format!("https://{host}:2379"),
        healthy: error.is_empty(),
        error: error.into(),
    };
    let mut answer = EtcdAnswer {
        members: vec![listed("etcd-n1", "10.0.0.1"), listed("etcd-n2", "10.0.0.2"), listed("", "10.0.0.3")],
        health: vec![vote("10.0.0.1", ""), vote("10.0.0.2", "Active Alarm(s): NOSPACE ")],
    };
    // The same member, once more by another id, would be another one.
    for (id, one) in answer.members.iter_mut().enumerate() {
        one.id = id as u64;
    }
    let unseen = || Err(crate::facts::Unseen("silent".into()));
    let asked = |answer| EtcdAsked { node: "n1".into(), containers: unseen(), answer };
    let never = Member { named: false, learner: true, answers: false, ..Member::well("10.0.0.3") };
    let alarmed = Member { alarm: true, ..Member::well("n2") };
    assert_eq!(seen(&[asked(Ok(answer))]), Ok(vec![Member::well("n1"), alarmed, never]));
    assert!(seen(&[asked(Err(crate::facts::Unseen("silent".into())))]).is_err());
}

fn any_members() -> impl Strategy<Value = Vec<Member>> {
    let one = (prop::bool::weighted(0.95), prop::bool::weighted(0.05), prop::bool::weighted(0.8));
    let more = (prop::bool::weighted(0.05), prop::bool::weighted(0.05));
    prop::collection::vec((one, more), 0..8).prop_map(|all| {
        let member = |(number, ((named, learner, answers), (alarm, restarting)))| Member {
            named,
            learner,
            answers: answers && named,
            alarm,
            restarting,
            ..Member::well(&format!("n{number}"))
        };
        all.into_iter().enumerate().map(member).collect()
    })
}

fn any_change() -> impl Strategy<Value = MemberChange> {
    let node = || (0..9u8).prop_map(|number| format!("n{number}"));
    prop_oneof![
        node().prop_map(|node| MemberChange::Join { node }),
        node().prop_map(|node| MemberChange::Leave { node }),
        (node(), node()).prop_map(|(leaves, joins)| MemberChange::Replace { leaves, joins }),
        node().prop_map(|node| MemberChange::Restart { node }),
    ]
}

/// What etcd goes through, each time with what is sure of its voters: who votes, and who of them takes part.
fn stations(members: &[Member], change: &MemberChange) -> Vec<Vec<(String, bool)>> {
    let takes_part = |one: &Member| one.named && one.answers && !one.alarm && !one.restarting;
    let voters: Vec<(String, bool)> =
        members.iter().filter(|one| !one.learner).map(|one| (one.node.clone(), takes_part(one))).collect();
    let without = |node: &str| voters.iter().filter(|(name, _)| name != node).cloned().collect::<Vec<_>>();
    let with = |mut voters: Vec<(String, bool)>, node: &str| {
        if !voters.iter().any(|(name, _)| name == node) {
            voters.push((node.to_owned(), false));
        }
        voters
    };
    let stopped = |node: &str| voters.iter().map(|(name, well)| (name.clone(), *well && name != node)).collect();
    match change {
        MemberChange::Join { node } => vec![with(voters.clone(), node)],
        MemberChange::Leave { node } => vec![without(node)],
        MemberChange::Replace { leaves, joins } => vec![without(leaves), with(without(leaves), joins)],
        MemberChange::Restart { node } | MemberChange::Rotate { node } | MemberChange::Upgrade { node } => {
            vec![stopped(node)]
        }
    }
}

fn majority(voters: &[(String, bool)]) -> bool {
    2 * voters.iter().filter(|(_, well)| *well).count() > voters.len()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn no_allowed_change_takes_the_majority_away(members in any_members(), change in any_change()) {
        if !judge(&members, &change).is_go() {
            return Ok(());
        }
        for voters in stations(&members, &change) {
            // A single member that gets a second one is the one exception.
            let grows = voters.len() == 2 && voters.last().is_some_and(|(_, well)| !well) && voters[0].1;
            let first = voters.len() == 1 && members.is_empty();
            prop_assert!(majority(&voters) || grows || first, "{voters:?}");
        }
    }

    #[test]
    fn an_ill_member_more_allows_nothing_more(members in any_members(), change in any_change(), which in 0..8usize) {
        if which >= members.len() || judge(&members, &change).is_go() {
            return Ok(());
        }
        let mut worse = members;
        worse[which].answers = false;
        prop_assert!(!judge(&worse, &change).is_go());
    }

    #[test]
    fn it_goes_once_those_are_well_that_are_waited_for(members in any_members(), change in any_change()) {
        let Answer::WaitFor { nodes, .. } = judge(&members, &change) else { return Ok(()) };
        prop_assert!(!nodes.is_empty());
        let mut mended = members;
        mended.iter_mut().filter(|one| nodes.contains(&one.node)).for_each(|one| *one = Member::well(&one.node));
        let then = judge(&mended, &change);
        prop_assert!(!matches!(then, Answer::Person { why: Person::NoQuorum { .. } }), "{then}");
        prop_assert!(!matches!(&then, Answer::WaitFor { nodes: again, .. } if again.iter().any(|one| nodes.contains(one))), "{then}");
    }
}
