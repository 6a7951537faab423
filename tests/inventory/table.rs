//! The table of TLS set-ups (`cowhand::tls::TABLE`) against what stands beside it: the inventory takes exactly the set-ups that
//! the table makes, refuses the others in the table's words, and inventory/README.md shows the table as it is.

use std::collections::BTreeMap;

use cowhand::inventory::{TlsIssuer, TlsMode};
use cowhand::tls::{Cell, Passage, Sense, TABLE, Variant, table_cell};

use crate::{file, read};

/// An inventory that asks for this cell.
fn asking_for(cell: &Cell) -> String {
    let mode = match cell.mode {
        TlsMode::Ingress => "ingress",
        TlsMode::External => "external",
        TlsMode::Rancher => "rancher",
    };
    let issuer = match cell.issuer {
        TlsIssuer::Blank => "blank",
        TlsIssuer::Ca => "ca",
        TlsIssuer::Acme => "acme",
    };
    let files = if cell.mode == TlsMode::External { "" } else { ", certificate: chain.pem, key: leaf.key" };
    let more = match cell.variant {
        Variant::PublicCa => files.to_owned(),
        Variant::PrivateCa => format!("{files}, ca: ca.pem"),
        Variant::ChartCa | Variant::MadeCa => String::new(),
        Variant::OwnCa => ", ca: ca.pem, ca_key: ca.key".into(),
        Variant::Staging => ", acme: {email: ops@example.com, environment: staging}".into(),
        Variant::Production => ", acme: {email: ops@example.com}".into(),
        Variant::OwnAcme => ", acme: {email: ops@example.com, server: 'https://acme.example.com/directory'}".into(),
    };
    let passthrough = if cell.passage == Passage::Passthrough { ", passthrough: true" } else { "" };
    format!(
        "name: prod\nnodes: [10.0.0.11, 10.0.0.12, 10.0.0.13]\nengine: {{rke: {{}}}}\nload_balancers: [10.0.0.5]\nrancher:\n  hostname: \
         rancher.example.com\n  version: 2.11.5\n  tls: {{mode: {mode}, issuer: {issuer}{more}{passthrough}}}\n"
    )
}

#[test]
fn the_inventory_takes_what_the_table_makes_and_refuses_the_rest_in_its_words() {
    for cell in TABLE {
        let text = asking_for(cell);
        match (cell.sense, read(text.as_bytes())) {
            (Sense::Makes(_), Ok(inventory)) => assert_eq!(table_cell(&inventory.rancher.tls), Some(cell), "{text}"),
            (Sense::Refused { reason, instead }, Err(mistakes)) => {
                let said = mistakes.to_string();
                assert_eq!(said.lines().count(), 1, "{said}");
                assert!(said.contains("inventory.yml:8:") && said.ends_with(&format!("{reason}; {instead}")), "{said}");
            }
            (Sense::Makes(_), Err(mistakes)) => panic!("refused: {text}{mistakes}"),
            (Sense::Refused { .. }, Ok(_)) => panic!("taken: {text}"),
        }
    }
}

/// What the page's matrix says of one cell.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Proved,
    Refused,
}

fn page() -> String {
    String::from_utf8(file("inventory/README.md")).unwrap()
}

/// Rows are keyed by mode and passthrough, columns by issuer; a cell of it is split into its variants.
fn page_matrix() -> BTreeMap<(String, &'static str), String> {
    let page = page();
    let part = page.split("\n## TLS: mode × issuer\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let mut matrix = BTreeMap::new();
    for row in rows {
        let [_, head, blank, ca, acme, _] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("not four columns: {row}")
        };
        let mode = head.split('`').nth(1).unwrap();
        let mode = format!("{mode}{}", if head.contains("passthrough") { " passthrough" } else { "" });
        for (issuer, text) in [("blank", blank), ("ca", ca), ("acme", acme)] {
            matrix.insert((mode.clone(), issuer), text.to_owned());
        }
    }
    matrix
}

fn place(cell: &Cell) -> (String, &'static str) {
    let mode = match (cell.mode, cell.passage) {
        (TlsMode::Ingress, _) => "ingress",
        (TlsMode::External, _) => "external",
        (TlsMode::Rancher, Passage::Passthrough) => "rancher passthrough",
        (TlsMode::Rancher, Passage::Plain | Passage::Reencrypt) => "rancher",
    };
    let issuer = match cell.issuer {
        TlsIssuer::Blank => "blank",
        TlsIssuer::Ca => "ca",
        TlsIssuer::Acme => "acme",
    };
    (mode.into(), issuer)
}

/// How the page calls a variant, and how the steps of the stories do.
fn names(variant: Variant) -> (&'static str, &'static str) {
    match variant {
        Variant::PublicCa => ("public CA", "public_files"),
        Variant::PrivateCa => ("private CA", "private_files"),
        Variant::ChartCa => ("no files", "no_files"),
        Variant::OwnCa => ("yours", "_ca"),
        Variant::MadeCa => ("made", "made_ca"),
        Variant::Staging => ("staging", "lets_encrypt_staging"),
        Variant::Production => ("production", "lets_encrypt_production"),
        Variant::OwnAcme => ("own directory", "own_acme"),
    }
}

#[test]
fn the_page_shows_the_table_as_it_is() {
    let matrix = page_matrix();
    assert_eq!(matrix.len(), 12);
    let mut named: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    for cell in TABLE {
        let text = &matrix[&place(cell)];
        let told = if text.starts_with("refused: ") { Told::Refused } else { Told::Proved };
        let wanted = match cell.sense {
            Sense::Makes(_) => Told::Proved,
            Sense::Refused { .. } => Told::Refused,
        };
        assert_eq!(told, wanted, "{cell:?}: {text}");
        if wanted == Told::Proved {
            let (word, step) = names(cell.variant);
            assert!(text.contains(word) || text.contains(step), "{cell:?}: neither {word} nor {step} in {text}");
            *named.entry(place(cell)).or_default() += 1;
        }
    }
    // as many as the table has, so that none is told twice or made up
    for (place, count) in named {
        assert_eq!(matrix[&place].split(" · ").count(), count, "{place:?}: {}", matrix[&place]);
    }
    let refused = TABLE.iter().filter(|cell| matches!(cell.sense, Sense::Refused { .. })).count();
    let counts = format!("{} set-ups, of which {refused} are refused", TABLE.len());
    assert!(page().contains(&counts), "the page does not say: {counts}");
}

/// The names of a story's steps: its functions, and for the cells of `tls.py` what `cell()` makes of `cell(own_acme, reencrypt)`.
fn steps(story: &str) -> Vec<String> {
    let source = String::from_utf8(file(&format!("tests/lab/stories/{story}.py"))).unwrap();
    let list = source.split("\nSTEPS = [").nth(1).unwrap().split("\n]").next().unwrap();
    let mut names: Vec<String> = list.split([',', ' ', '\n']).map(|name| name.trim().to_owned()).collect();
    for call in list.split("cell(").skip(1) {
        let words: Vec<&str> = call.split(')').next().unwrap().split(',').map(str::trim).collect();
        let way = match words.get(1) {
            Some(&"reencrypt") => "rancher",
            Some(&"passthrough") => "rancher_passthrough",
            Some(_) | None => "ingress",
        };
        let environment = words.iter().filter_map(|word| word.split('"').nth(1));
        names.push([way, words[0]].into_iter().chain(environment).collect::<Vec<_>>().join("_"));
    }
    names
}

#[test]
fn each_step_that_the_page_names_is_one_of_the_story_that_it_names() {
    let mut seen = 0;
    for (place, text) in page_matrix() {
        // "step `x` of story `y`", "story `y`", or the step of story tls
        for part in text.split(" · ").flat_map(|part| part.split(", and ")) {
            let quoted: Vec<&str> = part.split('`').skip(1).step_by(2).collect();
            match (&quoted[..], part.contains("story `")) {
                ([], _) => assert!(part.starts_with("refused: "), "{place:?}: {part}"),
                ([story], true) => assert!(!steps(story).is_empty()),
                ([step], false) => assert!(steps("tls").contains(&(*step).to_owned()), "{place:?}: {step}"),
                ([step, story], _) => assert!(steps(story).contains(&(*step).to_owned()), "{place:?}: {part}"),
                (more, _) => panic!("{place:?}: {more:?}"),
            }
            seen += quoted.len();
        }
    }
    assert!(seen >= 23, "{seen}");
}
