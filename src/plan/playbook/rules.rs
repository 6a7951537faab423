//! From what is written to what is done: what no schema can say.

use std::time::Duration;

use super::disrupting::{disrupting, leaving};
use super::items::{Awaited, Doing, Drain, Item, Look, Playbook, Reboot, Run, Secret, Selector, Upload};
use super::raw::{NodesWord, RawDrain, RawItem, RawItemMap, RawPlaybook, RawReboot, RawRun, RawUpload, RawWait, Word};
use crate::inventory::{Document, KeyPath, Node, masked};
use crate::plan::drain::Agreed;
use crate::plan::{Stage, Wait};
use crate::remote::{USUAL_LIMIT, Words};

/// For what is waited for, unless the file says otherwise.
const WAIT: Duration = Duration::from_secs(600);
/// For the pods of a node that is drained, unless the file says otherwise.
const DRAIN: Duration = Duration::from_secs(600);
/// For a node that is rebooted, unless the file says otherwise.
const REBOOT: Duration = Duration::from_secs(900);
/// No command of a run file takes longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const SEVERAL: &str = "does several things; give each an item of its own, with a dash before it";
const NOTHING: &str = "does nothing; give it one of run, upload, drain, uncordon, reboot, turns, wait, confirm, note";

pub(super) fn playbook(raw: RawPlaybook, nodes: &[Node], document: &mut Document) -> Option<Playbook> {
    let name = raw.name.map(|name| name.trim().to_owned()).unwrap_or_default();
    let (named, listed) = (KeyPath::from("name"), KeyPath::from("items"));
    if !document.is_broken(&named) && (name.is_empty() || name.contains('\n')) {
        document.mistake(&named, "has to be one line that can be typed");
    }
    if raw.items.is_empty() && !document.is_broken(&listed) {
        document.mistake(&listed, "is empty; a run file does at least one thing");
    }
    let mut items: Vec<Item> = Vec::new();
    for (index, raw) in raw.items.into_iter().enumerate() {
        let mut reading = Reading { path: listed.index(index), nodes, this: false, document: &mut *document };
        raw.map(|raw| reading.item(raw)).into_iter().flatten().for_each(|item| together(&mut items, item));
    }
    Some(Playbook { name, items })
}

/// Stages that follow each other are one item: they are checked together. A verb that is a whole run stays alone.
fn together(items: &mut Vec<Item>, item: Item) {
    let alone =
        |stages: &[Stage]| stages.iter().any(|stage| matches!(stage, Stage::Remove | Stage::Recover | Stage::Backup));
    match (items.last_mut().map(|last| &mut last.doing), &item.doing) {
        (Some(Doing::Stages(before)), Doing::Stages(more))
            if !alone(before) && !alone(more) && before.last() < more.first() =>
        {
            before.extend(more);
        }
        (Some(_) | None, _) => items.push(item),
    }
}

/// One item, and where it stands.
pub(super) struct Reading<'a, 'd> {
    pub path: KeyPath,
    pub nodes: &'a [Node],
    /// It is part of turns, where `this` is the node whose turn it is.
    pub this: bool,
    pub document: &'a mut Document<'d>,
}

impl Reading<'_, '_> {
    /// More than one where nodes take turns.
    fn item(&mut self, raw: RawItem) -> Vec<Item> {
        let place = self.document.place(&self.path);
        let single = |(always, doing)| Item { place, always, turn: None, doing };
        match raw {
            RawItem::Word(word) => vec![single((false, word_alone(word)))],
            RawItem::Map(mut map) => match map.turns.take() {
                Some(_) if *map != RawItemMap::default() => {
                    self.document.mistake(&self.path.clone(), SEVERAL);
                    Vec::new()
                }
                Some(turns) => self.turns(turns),
                None => self.map(*map).map(single).into_iter().collect(),
            },
        }
    }

    pub(super) fn map(&mut self, map: RawItemMap) -> Option<(bool, Doing)> {
        let RawItemMap { run, upload, drain, uncordon, reboot, turns: _, wait, confirm, note } = map;
        let path = self.path.clone();
        let mut found: Vec<(bool, Option<Doing>)> = Vec::new();
        if let Some(raw) = run {
            found.push((raw.always.unwrap_or(false), self.run(raw, &path.key("run")).map(Doing::Run)));
        }
        if let Some(raw) = upload {
            found.push((raw.always.unwrap_or(false), self.upload(raw, &path.key("upload")).map(Doing::Upload)));
        }
        if let Some(raw) = drain {
            found.push((false, self.drain(raw, &path.key("drain")).map(Doing::Drain)));
        }
        if let Some(raw) = uncordon {
            let on = self.selector(raw.on, &path.key("uncordon").key("on"));
            found.push((raw.always.unwrap_or(false), on.map(Doing::Uncordon)));
        }
        if let Some(raw) = reboot {
            found.push((false, self.reboot(raw, &path.key("reboot")).map(Doing::Reboot)));
        }
        if let Some(raw) = wait {
            found.push((raw.always.unwrap_or(false), self.wait(raw, &path.key("wait")).map(Doing::Wait)));
        }
        found.extend(confirm.map(|text| (false, self.said(text, &path.key("confirm")).map(Doing::Confirm))));
        found.extend(note.map(|text| (false, self.said(text, &path.key("note")).map(Doing::Note))));
        if found.len() > 1 {
            self.document.mistake(&path, SEVERAL);
        } else if found.is_empty() && !self.document.is_broken(&path) {
            self.document.mistake(&path, NOTHING);
        }
        let (always, doing) = found.into_iter().next()?;
        Some((always, doing?))
    }

    fn said(&mut self, text: String, path: &KeyPath) -> Option<String> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            self.document.mistake(path, "says nothing; give it a text");
        }
        (!text.is_empty()).then_some(text)
    }

    fn run(&mut self, raw: RawRun, path: &KeyPath) -> Option<Run> {
        let on = self.selector(raw.on, &path.key("on"));
        let limit = self.limit(raw.limit.as_deref(), USUAL_LIMIT, &path.key("limit"));
        let words = self.words(raw.words, &path.key("words"));
        let stdin = self.document.file(&path.key("stdin_file"), raw.stdin_file.as_deref());
        let variables = raw.env_files.into_iter().filter_map(|(name, file)| {
            let path = path.key("env_files").key(&name);
            if !is_variable(&name) {
                self.document.mistake(&path, "is not a variable's name: letters, digits and _, no digit first");
            }
            Some(Secret { file: self.document.file(&path, file.as_deref())?, name })
        });
        let variables = variables.collect();
        let words = words?;
        let said: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(word) = leaving(&said) {
            let message = format!(
                "`{word}` takes the node away, and with it this run's connection and the lock that keeps other runs off it; \
                 the item `reboot: {{on: NODE}}` waits until it is back; anything else do by hand, and go on with the same run file"
            );
            self.document.mistake(&path.key("words"), message);
        }
        let found = disrupting(&said);
        if let (Some(word), Some(false)) = (found, raw.disrupts) {
            let message = format!("`{word}` may take a node away, and such an item is done on one node at a time");
            self.document.mistake(&path.key("disrupts"), message);
        }
        let (program, rest) = words.split_first()?;
        let words = Words::new(program.clone()).args(rest.iter().cloned()).within(limit?);
        let disrupts = found.is_some() || raw.disrupts == Some(true);
        let on = on.map(|on| Selector { each: on.each || disrupts, ..on });
        Some(Run { on: on?, words, sudo: raw.sudo.unwrap_or(false), stdin, variables, disrupts })
    }

    /// The words of a command, each of which a process gets as it stands.
    fn words(&mut self, raw: Vec<Option<String>>, path: &KeyPath) -> Option<Vec<String>> {
        if raw.is_empty() && !self.document.is_broken(path) {
            self.document.mistake(path, "is empty; give the command, one word an item");
        }
        for (index, word) in raw.iter().enumerate() {
            let (path, word) = (path.index(index), word.as_deref().unwrap_or_default());
            if index == 0 && word.trim().contains(' ') && !word.starts_with('/') {
                let list = word.split_whitespace().collect::<Vec<_>>().join(", ");
                self.document.mistake(&path, format!("is one word with spaces; write [{list}], no shell parts it"));
            }
            if word.contains('\0') {
                self.document.mistake(&path, "holds a zero byte, which no command can be given");
            }
            if masked(word) != word {
                let message =
                    "looks like a secret, and words of a command are shown; give it by `stdin_file` or `env_files`";
                self.document.mistake(&path, message);
            }
        }
        let words: Option<Vec<String>> = raw.into_iter().collect();
        words.filter(|words| !words.is_empty())
    }

    fn upload(&mut self, raw: RawUpload, path: &KeyPath) -> Option<Upload> {
        let on = self.selector(raw.on, &path.key("on"));
        let from = self.document.file(&path.key("from"), raw.from.as_deref());
        let to = raw.to.filter(|to| {
            let whole = to.starts_with('/') && !to.ends_with('/') && !to.contains(['\0', '\n']);
            if !whole {
                self.document.mistake(&path.key("to"), "is not the absolute path of a file, such as /etc/motd");
            }
            whole
        });
        let mode = match raw.mode.as_deref() {
            None => Some(0o600),
            Some(text) => {
                let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777 && text.len() >= 3);
                if mode.is_none() {
                    self.document.mistake(&path.key("mode"), "is not a file's mode in octal digits, such as \"0644\"");
                }
                mode
            }
        };
        Some(Upload { on: on?, from: from?, to: to?, mode: mode?, sudo: raw.sudo.unwrap_or(false) })
    }

    fn drain(&mut self, raw: RawDrain, path: &KeyPath) -> Option<Drain> {
        let limit = self.limit(raw.limit.as_deref(), DRAIN, &path.key("limit"));
        let on = self.selector(raw.on, &path.key("on"))?;
        let agreed = Agreed {
            delete_emptydir_data: raw.delete_emptydir_data.unwrap_or(false),
            force: raw.force.unwrap_or(false),
        };
        Some(Drain { on: Selector { each: true, ..on }, agreed, limit: limit? })
    }

    fn reboot(&mut self, raw: RawReboot, path: &KeyPath) -> Option<Reboot> {
        let limit = self.limit(raw.limit.as_deref(), REBOOT, &path.key("limit"));
        let on = self.selector(raw.on, &path.key("on"))?;
        Some(Reboot { on: Selector { each: true, ..on }, limit: limit? })
    }

    fn wait(&mut self, raw: RawWait, path: &KeyPath) -> Option<Awaited> {
        let limit = self.limit(raw.limit.as_deref(), WAIT, &path.key("limit"));
        let mut found = Vec::new();
        if let Some(NodesWord::Ready) = raw.nodes {
            let names = self.nodes.iter().map(|node| node.name.to_lowercase()).collect();
            found.push(Some(Wait::NodesReady { names }));
        }
        if let Some(text) = raw.deployment {
            let place = self.place_of(&text, &path.key("deployment"));
            found.push(place.map(|(namespace, name)| Wait::Deployment { namespace, name }));
        }
        if let Some(text) = raw.daemonset {
            let place = self.place_of(&text, &path.key("daemonset"));
            found.push(place.map(|(namespace, name)| Wait::DaemonSet { namespace, name, without: Vec::new() }));
        }
        if found.len() != 1 && !self.document.is_broken(path) {
            self.document.mistake(path, "has to name exactly one of nodes, deployment and daemonset");
        }
        Some(Awaited { what: found.into_iter().next()??, limit: limit? })
    }

    fn place_of(&mut self, text: &str, path: &KeyPath) -> Option<(String, String)> {
        let place = text.split_once('/').filter(|(namespace, name)| {
            let fits =
                |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
            fits(namespace) && fits(name)
        });
        if place.is_none() {
            self.document.mistake(path, "is not namespace/name, such as cattle-system/rancher");
        }
        place.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
    }

    /// A length of time from one second to a day.
    fn limit(&mut self, text: Option<&str>, usual: Duration, path: &KeyPath) -> Option<Duration> {
        let Some(text) = text else { return (!self.document.is_broken(path)).then_some(usual) };
        let parsed: Option<jiff::SignedDuration> = text.parse().ok();
        let limit = parsed.and_then(|parsed| Duration::try_from(parsed).ok());
        let limit = limit.filter(|limit| (Duration::from_secs(1)..=LONGEST).contains(limit));
        if limit.is_none() {
            self.document.mistake(path, "is not a length of time from 1s to 24h, such as 20m");
        }
        limit
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn word_alone(word: Word) -> Doing {
    match word {
        Word::Check => Doing::Stages(vec![Stage::Check]),
        Word::Cluster => Doing::Stages(vec![Stage::Cluster]),
        Word::Ingress => Doing::Stages(vec![Stage::Ingress]),
        Word::CertManager => Doing::Stages(vec![Stage::CertManager]),
        Word::Rancher => Doing::Stages(vec![Stage::Rancher]),
        Word::Verify => Doing::Stages(vec![Stage::Verify]),
        Word::Up => Doing::Stages(vec![
            Stage::Check,
            Stage::Cluster,
            Stage::Ingress,
            Stage::CertManager,
            Stage::Rancher,
            Stage::Verify,
        ]),
        Word::Down => Doing::Stages(vec![Stage::Remove]),
        Word::RecoverState => Doing::Stages(vec![Stage::Recover]),
        Word::Backup => Doing::Stages(vec![Stage::Backup]),
        Word::Plan => Doing::Look(Look::Plan),
        Word::Drift => Doing::Look(Look::Drift),
        Word::Status => Doing::Look(Look::Status),
        Word::Certs => Doing::Look(Look::Certs),
    }
}
