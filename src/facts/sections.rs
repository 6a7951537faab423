//! The probe's output, cut at its markers.

use super::{Fact, Unseen};

/// Sections in the order of the output. Whatever stands before the first marker (a banner, a profile's echo) is dropped.
pub(super) struct Sections<'a> {
    sections: Vec<(&'a str, Vec<&'a str>)>,
    pub(super) complete: bool,
}

impl<'a> Sections<'a> {
    pub(super) fn cut(output: &'a str) -> Self {
        let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut complete = false;
        for line in output.lines() {
            let line = line.trim_end_matches('\r');
            match line.strip_prefix("==") {
                Some("end") => complete = true,
                Some(name) if is_name(name) => sections.push((name, Vec::new())),
                Some(_) | None => {
                    if let Some((_, lines)) = sections.last_mut() {
                        lines.push(line);
                    }
                }
            }
        }
        Sections { sections, complete }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|(found, _)| *found == name)
    }

    /// The lines of every section of this name, or why there are none.
    pub(super) fn lines(&self, name: &str) -> Fact<Vec<&'a str>> {
        if !self.has(name) {
            let reason =
                if self.complete { "the probe did not ask for it" } else { "the probe ended before it came to this" };
            return Err(Unseen(format!("{reason} ({name})")));
        }
        let all = self.sections.iter().filter(|(found, _)| *found == name).flat_map(|(_, lines)| lines);
        let lines: Vec<&str> = all.copied().filter(|line| !line.trim().is_empty()).collect();
        match lines.iter().find_map(|line| line.strip_prefix('!')) {
            Some(reason) => Err(Unseen(reason.split_whitespace().collect::<Vec<_>>().join(" "))),
            None => Ok(lines),
        }
    }

    /// The first line of a section that must have one.
    pub(super) fn first(&self, name: &str) -> Fact<&'a str> {
        self.lines(name)?.first().copied().map(str::trim).ok_or_else(|| Unseen(format!("the machine gave no {name}")))
    }

    /// What follows `key` and a blank on a line of its own.
    pub(super) fn value(&self, name: &str, key: &str) -> Fact<&'a str> {
        find(&self.lines(name)?, key).ok_or_else(|| Unseen(format!("the machine gave no {key}")))
    }
}

/// What follows `key` and a blank on the first line that begins so.
pub(super) fn find<'a>(lines: &[&'a str], key: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::trim)
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_before_the_first_marker_is_dropped_and_carriage_returns_are_cut() {
        let sections = Sections::cut("Welcome!\r\n== not a marker ==\r\n==cpu\r\n4\r\n==end\r\n");
        assert_eq!(sections.first("cpu"), Ok("4"));
        assert!(sections.complete);
    }

    #[test]
    fn a_reason_takes_the_place_of_the_lines() {
        let sections = Sections::cut("==ports\n!ss  is not\tinstalled\n==end\n");
        assert_eq!(sections.lines("ports"), Err(Unseen("ss is not installed".into())));
    }

    #[test]
    fn a_section_that_never_came_says_whether_the_probe_was_cut_off() {
        let cut = Sections::cut("==cpu\n4\n");
        assert!(cut.lines("ports").unwrap_err().0.starts_with("the probe ended before"));
    }
}
