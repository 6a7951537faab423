//! The plan of a rotation, shown.

use crate::plan::rotate::Rotation;
use crate::report::{Look, Tone, one_line};

pub fn text(rotation: &Rotation, look: &Look) -> String {
    let renewed: Vec<_> = rotation.leaves.iter().filter(|leaf| leaf.renewed).collect();
    let mut text = format!("{}\n", look.paint(Tone::Strong, "rotate"));
    for leaf in &renewed {
        let day = leaf.ends.to_string();
        let day = day.split('T').next().unwrap_or_default();
        let line = format!("{}: ends on {day}, in {} days", leaf.name, leaf.days_left);
        text += &format!("  {} {}\n", look.paint(Tone::Careful, "~"), one_line(&line));
    }
    for restart in &rotation.restarts {
        text += &format!("  {} {}\n", look.paint(Tone::Careful, "↻"), one_line(&restart.to_string()));
    }
    for note in &rotation.notes {
        text += &format!("  note: {}\n", one_line(note));
    }
    let stays = rotation.leaves.len() - renewed.len();
    let stay = if stays == 0 { String::new() } else { format!(", {stays} stay") };
    let count = match renewed.len() {
        1 => "1 certificate".to_owned(),
        several => format!("{several} certificates"),
    };
    look.letters(&format!("{text}\n{count} to renew{stay}; `cowhand rotate` does it\n"))
}
