//! The screen of `drift`: each object with every field that differs, and whose doing it is.

use crate::engine::change::Shown;
use crate::plan::drift::authors::By;
use crate::plan::drift::{Drift, Field};
use crate::report::{Look, Tone, one_line};

pub fn text(found: &Drift, look: &Look) -> String {
    let mut text = String::new();
    for one in &found.drift {
        text += &format!("{}\n", look.paint(Tone::Strong, &one_line(&one.object)));
        for field in &one.fields {
            text += &format!("  {} {}\n", mark(field, look), one_line(&difference(field)));
            let by = field.by.as_ref().map_or("nobody is named".to_owned(), by);
            text += &format!("      by {}\n", one_line(&by)).replace("by nobody", "nobody");
        }
        text += &format!("  {} {}\n\n", look.paint(Tone::Dim, "fix"), one_line(&one.remedy));
    }
    for unseen in &found.unseen {
        text += &format!("{} not seen: {}\n", look.paint(Tone::Careful, "?"), one_line(unseen));
    }
    look.letters(&format!("{text}{}\n", found.summary()))
}

fn mark(field: &Field, look: &Look) -> String {
    match (&field.applied, &field.seen) {
        (Shown::Absent, _) => look.paint(Tone::Good, "+"),
        (_, Shown::Absent) => look.paint(Tone::Bad, "-"),
        _ => look.paint(Tone::Careful, "~"),
    }
}

fn difference(field: &Field) -> String {
    let word = |value: &Shown| match value {
        Shown::Absent => "(none)".to_owned(),
        Shown::Text(text) => text.clone(),
        Shown::Hidden => "(hidden)".to_owned(),
    };
    match (&field.applied, &field.seen) {
        (Shown::Hidden, Shown::Hidden) => format!("{}: another value", field.path),
        (applied, seen) => format!("{}: {} applied, {} seen", field.path, word(applied), word(seen)),
    }
}

fn by(by: &By) -> String {
    let (author, owns) = match by {
        By::Owner(author) => (author, true),
        By::LastWriter(author) => (author, false),
    };
    let time = author.time.as_ref().map(|time| format!(", {time}")).unwrap_or_default();
    let last = if owns { "" } else { ", who wrote the object last" };
    format!("{} ({}{time}){last}", author.manager, author.operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::drift::authors::Author;
    use crate::plan::drift::{Drifted, UP};
    use crate::report::hostile::{HOSTILE, LOOKS, assert_harmless};

    fn example(word: &str) -> Drift {
        let author = |manager: &str| Author {
            manager: manager.into(),
            operation: "Update".into(),
            time: Some("2026-12-01T02:33:00Z".into()),
        };
        let field = |path: &str, applied, seen, by| Field { path: path.into(), applied, seen, by };
        let text = |text: &str| Shown::Text(text.into());
        let fields = vec![
            field("spec.replicas", text("3"), text(word), Some(By::Owner(author("kubectl-edit")))),
            field("spec.paused", Shown::Absent, text("true"), None),
            field("data.password", Shown::Hidden, Shown::Hidden, Some(By::LastWriter(author("helm")))),
        ];
        let object = "deployment cattle-system/rancher".into();
        Drift {
            drift: vec![Drifted { object, fields, remedy: UP.into() }],
            unseen: vec![format!("containers on n2: {word}")],
        }
    }

    #[test]
    fn each_field_says_what_it_was_what_it_is_and_whose_doing_it_is() {
        insta::assert_snapshot!(text(&example("1"), &Look::PLAIN), @r"
        deployment cattle-system/rancher
          ~ spec.replicas: 3 applied, 1 seen
              by kubectl-edit (Update, 2026-12-01T02:33:00Z)
          + spec.paused: (none) applied, true seen
              nobody is named
          ~ data.password: another value
              by helm (Update, 2026-12-01T02:33:00Z), who wrote the object last
          fix `cowhand up` puts it back

        ? not seen: containers on n2: 1
        3 fields of 1 object differ from what was applied; 1 thing could not be looked at
        ");
        assert_eq!(text(&Drift::default(), &Look::PLAIN), "no drift was found\n");
    }

    #[test]
    fn what_machines_said_steers_nothing() {
        for look in LOOKS {
            assert_harmless(&text(&example(HOSTILE), &look), &look);
        }
    }
}
