//! Sabotaged backups, each stopped at the level that has to stop it, and good ones that all pass.

use super::flaw::Level;
use super::label::{LENGTH, Label};
use super::manifest::MANIFEST;
use super::sample::{CA, Harm, OTHER_CA, Sample, keys, made};
use super::seal::Keys;
use super::stored::written;
use super::together::tests::OTHER;
use super::verify::verify;

const PAGE: usize = 4096;
const SIZE_OF_BODY: usize = 2000;

/// Changes the label of a file that lies there.
fn relabel(file: &mut Vec<u8>, change: impl FnOnce(&mut Label)) {
    let mut label = Label::read(&file[..]).unwrap();
    change(&mut label);
    file.splice(..LENGTH, label.bytes().unwrap());
}

/// The first page of this kind, of leaves the first with a value of Kubernetes in it.
fn page(database: &[u8], kind: u8) -> usize {
    let leaf_of_keys = |page: &[u8]| page.windows(10).any(|window| window == b"/registry/");
    let mut pages = database.chunks(PAGE).skip(3).enumerate();
    let found = pages.find(|(_, page)| page[8] == kind && (kind != 2 || leaf_of_keys(page)));
    (found.unwrap().0 + 3) * PAGE
}

/// etcd's meta pages say their own checksum.
fn meta_again(database: &mut [u8]) {
    for page in [0, PAGE] {
        let sum = super::bolt::fnv(&database[page + 16..page + 72]);
        database[page + 72..page + 80].copy_from_slice(&sum.to_le_bytes());
    }
}

#[rustfmt::skip]
const SABOTAGED: &[(&str, Level, &str, Harm)] = &[
    // what needs no key
    ("empty", Level::There, "it is empty", Harm::File(Vec::clear)),
    ("cut off in the label", Level::There, "cut off in its label", Harm::File(|file| file.truncate(700))),
    ("cut off behind the label", Level::There, "cut off: 0 bytes", Harm::File(|file| file.truncate(LENGTH))),
    ("half of it", Level::There, "it is cut off", Harm::File(|file| file.truncate(file.len() / 2))),
    ("a byte short", Level::There, "it is cut off", Harm::File(|file| file.truncate(file.len() - 1))),
    ("a byte more", Level::There, "something was added", Harm::File(|file| file.push(b'x'))),
    ("the label's first byte flipped", Level::There, "no backup", Harm::File(|file| file[0] ^= 1)),
    ("no label but JSON", Level::There, "no backup", Harm::File(|file| { file.splice(..LENGTH, *b"{\"a\":1}   \n"); })),
    ("a zip", Level::There, "no backup", Harm::File(|file| file[..4].copy_from_slice(b"PK\x03\x04"))),
    ("an age file without a label", Level::There, "no backup", Harm::File(|file| { file.drain(..LENGTH); })),
    ("a newer format", Level::There, "its format is 2", Harm::File(|file| relabel(file, |label| label.format = 2))),
    ("a label without a level", Level::There, "label is broken", Harm::File(|file| { let at = find(file, b"\"level\""); file[at + 1] = b'x'; })),
    ("a byte behind the label flipped", Level::There, "it was changed", Harm::File(|file| file[LENGTH] ^= 1)),
    ("a byte in the middle flipped", Level::There, "it was changed", Harm::File(|file| { let at = file.len() / 2; file[at] ^= 0x80; })),
    ("the last byte flipped", Level::There, "it was changed", Harm::File(|file| *file.last_mut().unwrap() ^= 1)),
    ("another length in the label", Level::There, "it is cut off", Harm::File(|file| relabel(file, |label| label.length += 1))),
    ("another hash in the label", Level::There, "it was changed", Harm::File(|file| relabel(file, |label| label.sha256 = "ff".repeat(32)))),
    // what a key shows, with the outer hash made anew
    ("the age header flipped", Level::Whole, "", Harm::Sealed(|sealed| sealed[60] ^= 1)),
    ("the sealed stream flipped", Level::Whole, "", Harm::Sealed(|sealed| { let at = sealed.len() - SIZE_OF_BODY; sealed[at] ^= 1; })),
    ("the sealed stream cut off", Level::Whole, "", Harm::Sealed(|sealed| sealed.truncate(sealed.len() - SIZE_OF_BODY))),
    ("not age at all", Level::Whole, "cannot be opened", Harm::Sealed(|sealed| sealed.fill(b'x'))),
    ("a label with a better level", Level::Whole, "its label is not the one", Harm::File(|file| relabel(file, |label| label.level = Level::Readable))),
    ("a label of another cluster", Level::Whole, "its label is not the one", Harm::File(|file| relabel(file, |label| label.uid = "other".into()))),
    ("a label of another name", Level::Whole, "its label is not the one", Harm::File(|file| relabel(file, |label| label.name = "other".into()))),
    ("a label of another day", Level::Whole, "its label is not the one", Harm::File(|file| relabel(file, |label| label.taken = "2027-01-01T00:00:00Z".parse().unwrap()))),
    ("a label of another revision", Level::Whole, "its label is not the one", Harm::File(|file| relabel(file, |label| label.revision += 1))),
    ("no manifest", Level::Whole, "does not begin with a manifest", Harm::Entries(|entries| { entries.remove(0); })),
    ("nothing inside", Level::Whole, "does not begin with a manifest", Harm::Entries(Vec::clear)),
    ("a manifest of garbage", Level::Whole, "its manifest is broken", Harm::Entries(|entries| entries[0].1 = b"{".to_vec())),
    ("a manifest at the end", Level::Whole, "does not begin with a manifest", Harm::Entries(|entries| entries.rotate_left(1))),
    ("an entry less", Level::Whole, "entries that its manifest lists", Harm::Entries(|entries| { entries.pop(); })),
    ("an entry more", Level::Whole, "entries that its manifest lists", Harm::Entries(|entries| entries.push(("more".into(), Vec::new())))),
    ("an entry twice", Level::Whole, "there twice", Harm::Entries(|entries| { let last = entries[2].clone(); entries.push(last); })),
    ("another name of an entry", Level::Whole, "entries that its manifest lists", Harm::Entries(|entries| entries[2].0 = "other".into())),
    ("a state that was changed inside", Level::Whole, "cluster.rkestate does not have the hash", Harm::Entries(|entries| entries[2].1[9] ^= 1)),
    ("a snapshot that was changed inside", Level::Whole, "etcd-snapshot.db does not have the hash", Harm::Entries(|entries| entries[1].1[PAGE * 3] ^= 1)),
    ("another hash in the manifest", Level::Whole, "does not have the hash", Harm::Manifest(|manifest| manifest.entries[1].sha256 = "0".into())),
    ("no snapshot", Level::Whole, "no snapshot", Harm::Entries(|entries| { entries.remove(1); rewrite(entries, |manifest| { manifest.entries.remove(0); }); })),
    ("etcd's hash flipped", Level::Whole, "the hash that etcd gave", Harm::Snapshot(|snapshot| *snapshot.last_mut().unwrap() ^= 1)),
    ("a page flipped, without etcd's hash made anew", Level::Whole, "the hash that etcd gave", Harm::Snapshot(|snapshot| snapshot[PAGE * 3 + 40] ^= 1)),
    ("a snapshot without etcd's hash", Level::Whole, "does not end with etcd's hash", Harm::Snapshot(|snapshot| snapshot.truncate(snapshot.len() - 32))),
    ("an empty snapshot", Level::Whole, "does not end with etcd's hash", Harm::Snapshot(Vec::clear)),
    // what every hash says is right
    ("a leaf zeroed", Level::Readable, "says that it is page 0", Harm::Database(|db| { let at = page(db, 2); db[at..at + PAGE].fill(0); })),
    ("a branch zeroed", Level::Readable, "says that it is page 0", Harm::Database(|db| { let at = page(db, 1); db[at..at + PAGE].fill(0); })),
    ("a page's kind flipped", Level::Readable, "is of kind", Harm::Database(|db| { let at = page(db, 2); db[at + 8] = 0x20; })),
    ("a page with more elements", Level::Readable, "", Harm::Database(|db| { let at = page(db, 2); db[at + 10] = 0xff; db[at + 11] = 0x3f; })),
    ("an element that reaches beyond its page", Level::Readable, "reaches beyond", Harm::Database(|db| { let at = page(db, 2); db[at + 16 + 13] = 0xff; })),
    ("a key flipped", Level::Readable, "", Harm::Database(|db| { let at = find(db, b"/registry/namespaces"); db[at - 20] ^= 0xff; })),
    ("a page in the place of another", Level::Readable, "says that it is page", Harm::Database(|db| { let at = page(db, 2); db.copy_within(at + PAGE..at + 2 * PAGE, at); })),
    ("a database cut off by a page", Level::Readable, "promises", Harm::Database(|db| db.truncate(db.len() - PAGE))),
    ("a root that leads elsewhere", Level::Readable, "", Harm::Database(|db| { for meta in [0, PAGE] { db[meta + 32] = 200; } meta_again(db); })),
    ("a meta page's checksum", Level::Readable, "checksum", Harm::Database(|db| db[72] ^= 1)),
    ("a meta page of another version", Level::Readable, "another version", Harm::Database(|db| { db[20] = 3; meta_again(db); })),
    ("a database that is not etcd's", Level::Readable, "not one of etcd", Harm::Sample(|sample| sample.meta = false)),
    ("a value that was emptied", Level::Readable, "has a broken value", Harm::Sample(|sample| sample.raised = Some(1))),
    ("an object cut off", Level::Readable, "a broken object", Harm::Sample(|sample| sample.more = vec![("pods/default/x", Some(b"k8s\0\x12\x7fcut".to_vec()))])),
    ("a custom object cut off", Level::Readable, "a broken object", Harm::Sample(|sample| sample.more = vec![("management.cattle.io/clusters/c-1", Some(b"{\"kind\":".to_vec()))])),
    ("another revision in the manifest", Level::Readable, "its revision is", Harm::Manifest(|manifest| manifest.source.revision += 1)),
    // what reads well, and is of two clusters
    ("another signing key", Level::Together, "does not verify the token", Harm::Sample(|sample| sample.key = OTHER)),
    ("another signing key, and no token", Level::Together, "copy of the state in the snapshot has another", Harm::Sample(|sample| (sample.key, sample.token) = (OTHER, None))),
    ("no signing key", Level::Together, "has no such key", Harm::Sample(|sample| sample.key = "")),
    ("neither token nor copy", Level::Together, "keeps no token", Harm::Sample(|sample| (sample.token, sample.inner_key) = (None, None))),
    ("a rotated encryption key", Level::Together, "does not open it", Harm::Sample(|sample| (sample.encryption, sample.stored_encryption) = (Some(("key1", [1; 32])), Some(("key1", [2; 32]))))),
    ("an encryption key of another name", Level::Together, "has no encryption key", Harm::Sample(|sample| (sample.encryption, sample.stored_encryption) = (Some(("key2", [1; 32])), Some(("key1", [1; 32]))))),
    ("encrypted, and the state does not say so", Level::Together, "", Harm::Sample(|sample| sample.stored_encryption = Some(("key1", [1; 32])))),
    ("a sister cluster's state", Level::Together, "another CA", Harm::Sample(|sample| (sample.ca, sample.key, sample.nodes) = (OTHER_CA, OTHER, vec!["m1", "m2"]))),
    ("a sister cluster's CA", Level::Together, "another CA", Harm::Sample(|sample| sample.client_ca = OTHER_CA)),
    ("a sister cluster's snapshot", Level::Together, "the snapshot is of cluster", Harm::Sample(|sample| sample.stored_uid = "uid-of-the-sister")),
    ("nodes of another cluster", Level::Together, "none of the state's nodes", Harm::Sample(|sample| sample.nodes = vec!["m1", "m2", "m3"])),
    ("a state of another version", Level::Together, "the state says v1.31.5", Harm::Sample(|sample| sample.kubernetes = "v1.31.5-rancher1-1")),
    ("no namespace kube-system", Level::Together, "no namespace kube-system", Harm::Sample(|sample| sample.more = vec![("namespaces/kube-system", None)])),
    ("an empty state", Level::Together, "it is empty", Harm::Sample(|sample| sample.state = Some(""))),
    ("a state cut off", Level::Together, "cut off", Harm::Sample(|sample| sample.state = Some("{\"desiredState\": {"))),
    ("a state without a CA", Level::Together, "no cluster CA", Harm::Sample(|sample| sample.state = Some("{}"))),
];

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

fn rewrite(entries: &mut super::sample::Entries, change: impl FnOnce(&mut super::Manifest)) {
    assert_eq!(entries[0].0, MANIFEST);
    let mut manifest = serde_json::from_slice(&entries[0].1).unwrap();
    change(&mut manifest);
    entries[0].1 = serde_json::to_vec(&manifest).unwrap();
}

/// Large enough for branches.
fn usual() -> Sample {
    let more = (0..40).map(|_| ("events/default/x", Some(written::map(&[("a", &[b'a'; 900])], None)))).collect();
    Sample { more, ..Sample::default() }
}

#[test]
fn each_sabotaged_backup_is_stopped_at_the_level_that_has_to_stop_it() {
    assert!(SABOTAGED.len() >= 40);
    let folder = tempfile::tempdir().unwrap();
    let (key, recipients) = keys();
    let mut wrong = Vec::new();
    for (what, level, words, harm) in SABOTAGED {
        let found = verify(&made(folder.path(), usual(), harm, &recipients), Some(&key));
        let told = found.flaw.as_ref().map(|flaw| (flaw.level, flaw.why.clone()));
        let right = told.as_ref().is_some_and(|(stopped, why)| stopped == level && why.contains(words));
        if !right || found.level != level.below() {
            wrong.push(format!("{what}: reached {:?}, {told:?}, expected {level:?} `{words}`", found.level));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn good() -> Vec<(&'static str, Sample)> {
    let sample = Sample::default;
    let object = |size: usize| Some(written::map(&[("a", &vec![b'a'; size])], None));
    let many = |count: usize, size: usize| (0..count).map(|_| ("events/default/x", object(size))).collect::<Vec<_>>();
    let sealed = Some(("key1", [3; 32]));
    let other_map = written::map(&[("full-cluster-state", b"{}")], None);
    vec![
        ("the usual one", sample()),
        ("with branches", usual()),
        ("with branches of branches", Sample { more: many(3000, 300), ..sample() }),
        ("with values of several pages", Sample { more: many(5, 20_000), ..sample() }),
        ("with a value of a mebibyte", Sample { more: many(2, 1 << 20), ..sample() }),
        ("without a token, as since Kubernetes 1.24", Sample { token: None, ..sample() }),
        ("without rke's own copy", Sample { inner_key: None, ..sample() }),
        ("with Secrets encrypted", Sample { encryption: sealed, stored_encryption: sealed, ..sample() }),
        (
            "encrypted and without a token",
            Sample { token: None, encryption: sealed, stored_encryption: sealed, ..sample() },
        ),
        ("with encryption switched on and nothing written since", Sample { encryption: sealed, ..sample() }),
        ("with a node deleted by hand", Sample { stored_nodes: vec!["n1", "n3"], ..sample() }),
        ("with a node that joined by hand", Sample { stored_nodes: vec!["n1", "n2", "n3", "n4"], ..sample() }),
        (
            "with names of nodes by address",
            Sample { nodes: vec!["10.0.0.1"], stored_nodes: vec!["10.0.0.1"], ..sample() },
        ),
        (
            "with objects that were deleted",
            Sample { more: [many(3, 9), vec![("events/default/x", None)]].concat(), ..sample() },
        ),
        (
            "with a deleted object made again",
            Sample { more: vec![("pods/a/x", object(9)), ("pods/a/x", None), ("pods/a/x", object(9))], ..sample() },
        ),
        (
            "with custom objects",
            Sample {
                more: vec![("management.cattle.io/clusters/c-1", Some(b"{\"kind\":\"Cluster\"}".to_vec()))],
                ..sample()
            },
        ),
        ("with a raised revision", Sample { raised: Some(1_000_000_000), ..sample() }),
        ("with a foreign key", Sample { more: vec![("compact_rev_key", Some(b"12".to_vec()))], ..sample() }),
        ("with an empty value", Sample { more: vec![("leases/x", Some(Vec::new()))], ..sample() }),
        ("with an API that says more of its version", Sample { api: "v1.32.2+rke1", ..sample() }),
        ("with a CA that ends without a line", Sample { stored_ca: CA.trim_end(), ..sample() }),
        (
            "with an old copy of the state, too",
            Sample { more: vec![("configmaps/kube-system/full-cluster-state", Some(other_map))], ..sample() },
        ),
    ]
}

#[test]
fn good_backups_pass_every_level() {
    let folder = tempfile::tempdir().unwrap();
    let (key, recipients) = keys();
    assert!(good().len() >= 20);
    for (what, sample) in good() {
        let found = verify(&made(folder.path(), sample, &Harm::None, &recipients), Some(&key));
        assert_eq!((found.level, &found.flaw), (Some(Level::Together), &None), "{what}: {found:#?}");
    }
}

#[test]
fn without_a_key_no_more_is_said_than_that_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let found = verify(&made(folder.path(), usual(), &Harm::None, &keys().1), None);
    assert_eq!((found.level, found.flaw, found.manifest), (Some(Level::There), None, None));
    assert_eq!(found.label.unwrap().level, Level::Together, "what it says of itself");
}

#[test]
fn another_key_a_folder_and_nothing_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), usual(), &Harm::None, &keys().1);
    let stranger = verify(&path, Some(&keys().0));
    assert_eq!((stranger.level, stranger.flaw.unwrap().level), (Some(Level::There), Level::Whole));
    let passphrase = Keys::Passphrase("x".to_owned().into());
    assert!(verify(&path, Some(&passphrase)).flaw.unwrap().why.contains("for keys"));
    for path in [folder.path().to_owned(), folder.path().join("none")] {
        let found = verify(&path, None);
        assert_eq!((found.level, found.flaw.unwrap().level), (None, Level::There));
    }
}

#[test]
fn what_is_counted_is_what_is_there() {
    let live = written::map(&[("a", b"b")], None);
    let more = vec![
        ("pods/default/x", Some(live.clone())),
        ("pods/default/y", Some(live.clone())),
        ("pods/default/x", None),
        ("management.cattle.io/clusters/c-1", Some(b"{}".to_vec())),
    ];
    let (database, revision) = Sample { more, ..Sample::default() }.database();
    let snapshot = super::sample::with_hash(database);
    let length = snapshot.len() as u64;
    let contents = super::Contents::read(std::io::Cursor::new(snapshot), length).unwrap();
    assert_eq!((contents.revision, contents.members.as_slice()), (revision, &["etcd-n1".to_owned()][..]));
    let count = |kind: &str| contents.objects.get(kind).copied();
    assert_eq!((count("pods"), count("management.cattle.io/clusters"), count("minions")), (Some(1), Some(1), Some(3)));
    assert_eq!(contents.keys, contents.objects.values().sum::<u64>());
}
