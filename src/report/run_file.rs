//! A run file, shown before it is played: every item, with what is special of it.

use crate::plan::playbook::{Doing, Item, Playbook};
use crate::report::{Look, Tone, one_line};

/// One item as scripts get it.
#[derive(serde::Serialize)]
pub struct Line {
    item: usize,
    line: u64,
    text: String,
    changes: bool,
    disrupts: bool,
    always: bool,
    /// Of each stage in it.
    needs: Vec<String>,
}

/// Every item.
pub fn lines(playbook: &Playbook) -> Vec<Line> {
    let line = |(item, one): (usize, &Item)| Line {
        item: item + 1,
        line: one.place.line,
        text: one.doing.to_string(),
        changes: one.doing.changes(),
        disrupts: one.doing.disrupts(),
        always: one.always,
        needs: needs(&one.doing),
    };
    playbook.items.iter().enumerate().map(line).collect()
}

fn needs(doing: &Doing) -> Vec<String> {
    doing.stages().iter().map(|stage| format!("{}: {}", stage.verb(), stage.needs())).collect()
}

pub fn text(name: &str, lines: &[Line], look: &Look) -> String {
    let mut text = format!("{}\n\n", look.paint(Tone::Strong, &one_line(name)));
    for one in lines {
        text += &format!("{:>3}  {}\n", one.item, one_line(&one.text));
        text += &one.needs.iter().map(|line| format!("       needs  {line}\n")).collect::<String>();
        if one.disrupts {
            text += "       may take a node away: the next one only when all nodes and etcd are well again\n";
        }
        if one.always {
            text += "       done however the items before it ended\n";
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    #[test]
    fn a_plan_shows_every_item_with_what_is_special_of_it() {
        let line = |item, text: &str, disrupts, always| Line {
            item,
            line: 3,
            text: text.into(),
            changes: true,
            disrupts,
            always,
            needs: if disrupts { Vec::new() } else { needs(&Doing::Stages(vec![Stage::Check])) },
        };
        let lines = [line(1, "check", false, false), line(2, "run systemctl restart docker on n1", true, true)];
        insta::assert_snapshot!(text("patch night", &lines, &Look::PLAIN), @r"
        patch night

          1  check
               needs  check: every node
          2  run systemctl restart docker on n1
               may take a node away: the next one only when all nodes and etcd are well again
               done however the items before it ended
        ");
    }
}
