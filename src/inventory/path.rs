//! Where a key stands, as people write it: `nodes[1].roles[0]`.

use std::fmt;

/// The way from the top of the file to one key or value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    pub fn key(&self, key: &str) -> KeyPath {
        self.step(Step::Key(key.to_owned()))
    }

    /// The same place with another last key.
    pub(super) fn sibling(&self, key: &str) -> KeyPath {
        KeyPath(self.0[..self.0.len().saturating_sub(1)].to_vec()).key(key)
    }

    pub fn index(&self, index: usize) -> KeyPath {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> KeyPath {
        let mut steps = self.0.clone();
        steps.push(step);
        KeyPath(steps)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn starts_with(&self, other: &KeyPath) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// From keys joined by dots, `rancher.tls.mode`; for paths that the program itself names.
impl From<&str> for KeyPath {
    fn from(dotted: &str) -> KeyPath {
        KeyPath(dotted.split('.').map(|key| Step::Key(key.to_owned())).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(out, "[{index}]")?,
                Step::Key(key)
                    if key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') && !key.is_empty() =>
                {
                    write!(out, "{}{key}", if position == 0 { "" } else { "." })?;
                }
                Step::Key(key) => write!(out, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let path = KeyPath::from("nodes").index(1).key("labels").key("example.com/disk");
        assert_eq!(path.to_string(), "nodes[1].labels[\"example.com/disk\"]");
        assert!(path.starts_with(&KeyPath::from("nodes").index(1)));
        assert!(!path.starts_with(&KeyPath::from("nodes").index(2)));
    }
}
