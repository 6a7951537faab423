//! Each judge, with evidence put together by hand; the same with real servers is in `tests/outside`.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::facts::outside::{AgentSeen, Answer, Entrance, Hop, Inside, Origin, Path, Reached, Trusted};
use crate::inventory::AgentTlsMode;
use crate::tls::ca_checksum;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

fn expected() -> Expected {
    Expected {
        hostname: "rancher.example.com".into(),
        trust: "the CA in ca.pem".into(),
        public: false,
        cacerts: Cacerts::Checksum(ca_checksum(PEM)),
        plain: Verdict::Fail,
        old_tls: Verdict::Fail,
        balancers: vec![],
        agents: AgentTlsMode::Strict,
        thorough: false,
    }
}

fn answer(status: u16, body: &str) -> Asked {
    Ok(Answer { status, location: None, body: body.into() })
}

fn hop(url: &str, status: u16, next: Option<&str>) -> Hop {
    Hop { url: url.into(), answer: answer(status, ""), next: next.map(str::to_string) }
}

const HTTP: &str = "http://rancher.example.com/";
const HTTPS: &str = "https://rancher.example.com/";

fn inside() -> Inside {
    let tls = TlsSeen { protocol: "TLSv1_3".into(), chain: vec![vec![]], trusted: Ok(()) };
    Inside {
        handshake: tls,
        old: OldTls::Refused,
        ping: answer(200, "pong"),
        cacerts: answer(200, &format!("\n{PEM}\n\n")),
        front: vec![hop(HTTPS, 200, None)],
        websocket: SocketSeen { opened: Ok(()), silence: None },
        agent: Some(AgentSeen {
            ping: answer(200, "pong"),
            cacerts: answer(200, PEM),
            setting: Ok(PEM.into()),
            trust: Trusted::Yes { roots: 1 },
            connect: Some(Ok(())),
            other: Some(Trusted::No("UnknownIssuer".into())),
        }),
    }
}

fn path(entrance: Entrance, seen: Seen) -> PathSeen {
    PathSeen {
        path: Path {
            name: "n1→dns 10.0.0.11".into(),
            origin: Origin::Node("n1".into()),
            address: "10.0.0.11".into(),
            entrance,
            by_name: true,
        },
        outcome: Ok(Reached { way: "10.0.0.11:443, directly".into(), seen }),
    }
}

fn good_plain() -> Vec<Hop> {
    vec![hop(HTTP, 302, Some(HTTPS)), hop(HTTPS, 200, None)]
}

fn with(change: impl FnOnce(&mut Inside)) -> PathSeen {
    let mut inside = inside();
    change(&mut inside);
    path(Entrance::Tls, Seen::Tls(Box::new(Secure { tls: Ok(Box::new(inside)), plain: good_plain() })))
}

fn walked(plain: Vec<Hop>) -> PathSeen {
    path(Entrance::Tls, Seen::Tls(Box::new(Secure { tls: Ok(Box::new(inside())), plain })))
}

fn agent(change: impl FnOnce(&mut AgentSeen)) -> PathSeen {
    with(|inside| change(inside.agent.as_mut().unwrap()))
}

/// All that is no pass: id, verdict, evidence.
fn loud(expected: &Expected, seen: PathSeen) -> Vec<(&'static str, Verdict, String)> {
    let all = judge(expected, &[seen]).into_iter().filter(|finding| finding.verdict != Verdict::Pass);
    all.map(|finding| (finding.check, finding.verdict, finding.seen)).collect()
}

fn only(expected: &Expected, seen: PathSeen) -> (&'static str, Verdict, String) {
    let mut loud = loud(expected, seen);
    assert_eq!(loud.len(), 1, "{loud:#?}");
    loud.remove(0)
}

#[test]
fn a_good_path_passes_every_check_of_a_path() {
    let mut expected = expected();
    expected.thorough = true;
    let seen = with(|inside| inside.websocket.silence = Some((Duration::from_secs(65), Ok(()))));
    let found = judge(&expected, &[seen]);
    assert!(found.iter().all(|finding| finding.verdict == Verdict::Pass && finding.fix.is_empty()), "{found:#?}");
    let mut ids: Vec<&str> = found.iter().map(|finding| finding.check).collect();
    // The name and the replicas are not of one path; forwarded headers are mode external's.
    ids.extend([NAME.id, REPLICAS.id, FORWARDED.id]);
    ids.sort_unstable();
    let mut all: Vec<&str> = TEXTS.iter().map(|text| text.id).collect();
    all.sort_unstable();
    assert_eq!(ids, all);
}

#[test]
fn each_fault_fails_its_own_check_and_no_other() {
    let faults: Vec<(&str, PathSeen, &str)> = vec![
        ("outside.trusted", with(|it| it.handshake.trusted = Err("UnknownIssuer".into())), "UnknownIssuer"),
        ("outside.protocol", with(|it| it.handshake.protocol = "TLSv1_1".into()), "TLSv1_1 is spoken"),
        ("outside.ping", with(|it| it.ping = answer(404, "default backend - 404")), "404 `default backend - 404`"),
        ("outside.cacerts", with(|it| it.cacerts = answer(200, "other")), "expected"),
        ("outside.cacerts", with(|it| it.cacerts = answer(200, "")), "empty, expected checksum"),
        ("outside.no-loop", with(|it| it.front = vec![hop(HTTPS, 302, Some(HTTPS))]), "a loop: https"),
        ("outside.no-loop", with(|it| it.front = vec![hop(HTTPS, 302, Some("https://evil.example.com/"))]), "away"),
        ("outside.no-loop", with(|it| it.front = vec![hop(HTTPS, 503, None)]), "answers 503"),
        (
            "outside.websocket",
            with(|it| it.websocket.opened = Err(NotOpened::Answered { status: 404, body: "no\nmore".into() })),
            "answered 404 `no` in the place of an upgrade",
        ),
        (
            "outside.websocket",
            with(|it| it.websocket.opened = Err(NotOpened::Broken("it opens, but".into()))),
            "it opens, but",
        ),
        ("outside.redirect", walked(vec![hop(HTTP, 200, None)]), "answered 200"),
        ("outside.redirect", walked(vec![hop(HTTP, 302, Some(HTTP))]), "a loop: http://"),
        ("outside.redirect", walked(vec![hop(HTTP, 302, Some("https://rancher.example.com.evil.org/"))]), "in one hop"),
        (
            "outside.redirect",
            walked(vec![hop(HTTP, 302, Some("http://rancher.example.com/x"))]),
            "http://rancher.example.com/ → http://rancher.example.com/x, expected https",
        ),
        (
            "outside.redirect",
            walked(vec![hop(HTTP, 302, Some(HTTPS)), hop(HTTPS, 302, Some(HTTP))]),
            "a loop: http://rancher.example.com/ → https://rancher.example.com/ → http://rancher.example.com/",
        ),
        (
            "outside.redirect",
            walked(vec![hop(HTTP, 302, Some(HTTPS)), hop(HTTPS, 302, Some("http://rancher.example.com/y"))]),
            "back to plain http",
        ),
        ("agent.ping-insecure", agent(|it| it.ping = Err("connection reset".into())), "connection reset"),
        ("agent.cacerts-checksum", agent(|it| it.setting = Err("answered 401".into())), "cacerts answered 401"),
        ("agent.cacerts-checksum", agent(|it| it.setting = Ok("other".into())), "another text"),
        ("agent.trust", agent(|it| it.trust = Trusted::NoCa), "no CA in /cacerts"),
        ("agent.trust", agent(|it| it.trust = Trusted::No("UnknownIssuer".into())), "strict: not trusted by"),
        (
            "agent.connect",
            agent(|it| it.connect = Some(Err(NotOpened::Answered { status: 502, body: String::new() }))),
            "502",
        ),
    ];
    for (id, seen, evidence) in faults {
        let (check, verdict, text) = only(&expected(), seen);
        assert_eq!((check, verdict), (id, Verdict::Fail), "{text}");
        assert!(text.contains(evidence), "{id}: {text}");
    }
}

#[test]
fn further_pages_over_https_are_ranchers_own_affair() {
    let board = "https://rancher.example.com/dashboard/";
    let plain = vec![hop(HTTP, 302, Some(HTTPS)), hop(HTTPS, 302, Some(board)), hop(board, 200, None)];
    assert!(loud(&expected(), walked(plain)).is_empty());
}

#[test]
fn an_unreachable_path_says_only_that_and_one_without_tls_little_more() {
    let seen = PathSeen { outcome: Err("connection refused".into()), ..with(|_| {}) };
    assert_eq!(only(&expected(), seen), ("outside.reached", Verdict::Fail, "connection refused".into()));
    let broken = Secure { tls: Err("unrecognized_name".into()), plain: good_plain() };
    let (check, _, text) = only(&expected(), path(Entrance::Tls, Seen::Tls(Box::new(broken))));
    assert_eq!((check, text.as_str()), ("outside.trusted", "the TLS handshake failed: unrecognized_name"));
}

#[test]
fn what_nobody_saw_is_no_pass_and_what_rancher_keeps_to_itself_does_not_block() {
    let refused = || Err(NotOpened::Answered { status: 401, body: "failed authentication".into() });
    let mut expected = expected();
    expected.thorough = true;
    let seen = with(|it| {
        it.websocket.opened = refused();
        it.agent.as_mut().unwrap().connect = Some(refused());
    });
    let loud = loud(&expected, seen);
    let ids: Vec<_> = loud.iter().map(|(id, verdict, _)| (*id, *verdict)).collect();
    let warn = Verdict::Warn;
    assert_eq!(ids, [("outside.websocket", warn), ("outside.websocket-silence", warn), ("agent.connect", warn)]);
    let broken = with(|it| it.websocket.opened = Err(NotOpened::Broken("reset".into())));
    assert!(judge(&expected, &[broken]).iter().any(|one| (one.check, one.verdict) == (SILENCE.id, Verdict::Unknown)));
}

#[test]
fn a_websocket_that_silence_kills_fails() {
    let mut expected = expected();
    expected.thorough = true;
    let died = "it ended after 60 s of silence: the connection ended";
    let seen = with(|it| it.websocket.silence = Some((Duration::from_secs(65), Err(died.into()))));
    assert_eq!(only(&expected, seen), ("outside.websocket-silence", Verdict::Fail, died.into()));
}

#[test]
fn old_tls_that_is_still_accepted_warns() {
    let accepted = || with(|it| it.old = OldTls::Accepted);
    assert_eq!(only(&expected(), accepted()).1, Verdict::Fail);
    assert_eq!(only(&Expected { old_tls: Verdict::Warn, ..expected() }, accepted()).1, Verdict::Warn);
    assert_eq!(only(&expected(), with(|it| it.old = OldTls::Unseen("no answer".into()))).1, Verdict::Warn);
}

#[test]
fn an_ingress_that_was_there_already_need_not_answer_in_plain_http() {
    let expected = Expected { plain: Verdict::Warn, ..expected() };
    let refused = Hop { url: HTTP.into(), answer: Err("connection refused".into()), next: None };
    let (check, verdict, text) = only(&expected, walked(vec![refused]));
    assert_eq!((check, verdict), ("outside.redirect", Verdict::Warn));
    assert_eq!(text, "plain http: connection refused");
    assert_eq!(only(&expected, walked(vec![hop(HTTP, 302, Some(HTTP))])).1, Verdict::Fail, "a loop is a loop");
}

#[test]
fn agents_that_go_by_their_system() {
    let mut expected = Expected { agents: AgentTlsMode::SystemStore, cacerts: Cacerts::Empty, ..expected() };
    let none = |it: &mut Inside| {
        it.cacerts = answer(200, "");
        let agent = it.agent.as_mut().unwrap();
        (agent.cacerts, agent.setting) = (answer(200, ""), Ok(String::new()));
    };
    assert!(loud(&expected, with(none)).is_empty());
    let strange = |it: &mut Inside| {
        none(it);
        let agent = it.agent.as_mut().unwrap();
        (agent.trust, agent.connect) = (Trusted::No("UnknownIssuer".into()), None);
    };
    let found = loud(&expected, with(strange));
    assert_eq!(
        found.iter().map(|one| (one.0, one.1)).collect::<Vec<_>>(),
        [("agent.trust", Verdict::Warn), ("agent.connect", Verdict::Warn)]
    );
    assert!(found[0].2.contains("machines that join need the CA in ca.pem in their store"), "{}", found[0].2);
    expected.public = true;
    assert_eq!(loud(&expected, with(strange))[0].1, Verdict::Fail);
}

/// A node in mode external, asked from this address.
fn node(from: Option<&str>, forwarded: Asked) -> PathSeen {
    let plain = vec![hop(HTTP, 302, Some(HTTPS))];
    let from = from.map(|from| from.parse().unwrap());
    path(Entrance::Plain, Seen::Plain(Box::new(Plain { from, ping: answer(200, "pong"), plain, forwarded })))
}

#[test]
fn forwarded_headers_are_proved_only_from_a_balancers_address() {
    let expected = Expected { balancers: vec!["192.0.2.7".parse().unwrap()], ..expected() };
    assert!(loud(&expected, node(Some("192.0.2.7"), answer(200, "page"))).is_empty());
    let dropped = only(&expected, node(Some("192.0.2.7"), answer(302, "")));
    assert_eq!((dropped.0, dropped.1), ("outside.forwarded", Verdict::Fail));
    for from in [Some("198.51.100.4"), None] {
        let unseen = only(&expected, node(from, answer(302, "")));
        assert_eq!((unseen.0, unseen.1), ("outside.forwarded", Verdict::Warn));
        assert!(unseen.2.starts_with("not seen"), "{}", unseen.2);
        let believed = only(&expected, node(from, answer(200, "page")));
        assert_eq!(believed.1, Verdict::Warn);
        assert!(believed.2.contains("whoever reaches port 80 passes for https"), "{}", believed.2);
    }
    assert_eq!(only(&expected, node(None, Err("reset".into()))).1, Verdict::Fail);
}

#[test]
fn a_name_is_judged_from_where_it_was_asked() {
    let ips = |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|one| one.parse().unwrap()).collect() };
    let meant = Meant { what: "the nodes", addresses: ips(&["10.0.0.11", "10.0.0.12"]), also: vec![] };
    let good = judge_name(&meant, "", &Ok(ips(&["10.0.0.12"])));
    assert_eq!((good.verdict, good.subject.as_deref()), (Verdict::Pass, Some("dns")));
    let lost = judge_name(&meant, "n1", &Ok(ips(&["10.0.0.12", "10.9.9.9"])));
    assert_eq!((lost.verdict, lost.subject.as_deref()), (Verdict::Fail, Some("n1→dns")));
    assert_eq!(lost.seen, "it leads to 10.0.0.12 and 10.9.9.9, expected the nodes 10.0.0.11 and 10.0.0.12");
    let gone = judge_name(&meant, "n1", &Err("the name has no address".into()));
    assert_eq!(gone.verdict, Verdict::Fail);
}

#[test]
fn the_other_agent_mode_is_told_and_never_fails() {
    let told = |agents, other: Trusted| {
        let seen = agent(|it| it.other = Some(other));
        let all = judge(&Expected { agents, ..expected() }, &[seen]);
        all.into_iter().find(|finding| finding.check == "agent.trust-other-mode").unwrap()
    };
    let strange = told(AgentTlsMode::Strict, Trusted::No("UnknownIssuer".into()));
    assert_eq!(strange.verdict, Verdict::Pass);
    assert!(strange.seen.contains("system-store: would not be trusted") && strange.seen.contains("UnknownIssuer"));
    assert!(told(AgentTlsMode::SystemStore, Trusted::Yes { roots: 1 }).seen.contains("strict: would be trusted"));
    assert!(told(AgentTlsMode::SystemStore, Trusted::NoCa).seen.contains("strict: would not start"));
}

#[test]
fn a_node_without_ssh_and_a_way_that_stays_shut_are_named() {
    let node = unasked("n2", "n2 (10.0.0.12): no answer within 5 s");
    assert_eq!((node.check, node.subject.as_deref(), node.verdict), ("outside.name", Some("n2→dns"), Verdict::Unknown));
    assert!(node.blocks() && node.seen.contains("no answer within 5 s"), "{node:?}");
    let way = shut("node n2", "10.0.0.12:443: refused");
    assert_eq!((way.check, way.verdict), ("outside.reached", Verdict::Warn));
    assert!(way.seen.contains("refused"), "{way:?}");
}

#[test]
fn replicas_beside_each_other_are_told_and_all_on_one_node_fail() {
    let of = |wanted: usize, on: &[&str], able: usize| {
        judge_replicas(&Spread { wanted, on: on.iter().map(|node| (*node).to_owned()).collect(), able })
    };
    let judged = |on: [&str; 3], able| of(3, &on, able);
    assert_eq!(judged(["n1", "n2", "n3"], 3).verdict, Verdict::Pass);
    assert_eq!(judged(["n1", "n1", "n1"], 3).verdict, Verdict::Fail);
    assert_eq!(judged(["n1", "n2", "n1"], 3).verdict, Verdict::Warn);
    let two = judged(["n1", "n2", "n1"], 2);
    assert_eq!(two.verdict, Verdict::Warn);
    assert_eq!(judged(["n1", "n1", "n1"], 1).verdict, Verdict::Warn);
    assert_eq!(two.seen, "3 of 3 replicas ready, on n1, n2; no more than 2 nodes are Ready and take pods");
    assert_eq!(of(3, &[], 3).seen, "0 of 3 replicas ready");
    assert_eq!(of(3, &["n1", "n2"], 3).verdict, Verdict::Fail);
    assert_eq!(of(1, &["n1"], 3).verdict, Verdict::Pass);
}
