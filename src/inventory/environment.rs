//! What the surroundings give to paths: a home, a folder, variables. Handed in, so that the room itself asks nobody.

use std::path::{Path, PathBuf};

/// Where relative paths, `~` and `${NAME}` come from.
pub struct Environment<'a> {
    /// For `~` and `~/…`.
    pub home: Option<PathBuf>,
    /// The current folder (absolute), against which a relative inventory path is meant.
    pub folder: PathBuf,
    /// The value of an environment variable; `None` when it is not set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Environment<'_> {
    /// A path as the inventory gives it, made absolute against `base`.
    ///
    /// `${NAME}` and `${NAME:-default}` are replaced (an empty variable counts as not set), then a leading `~/`.
    /// The error says what is wrong and what to do.
    pub(super) fn path(&self, text: &str, base: &Path) -> Result<PathBuf, String> {
        let text = self.substitute(text)?;
        if text.is_empty() {
            return Err("is empty; give a path, or remove the key".into());
        }
        if text.contains('\0') || text.contains('\n') {
            return Err("holds a line break or a zero byte; a path has neither".into());
        }
        let path = match text.strip_prefix('~') {
            None => base.join(&text),
            Some("") => self.home()?.clone(),
            Some(rest) if rest.starts_with('/') => self.home()?.join(rest.trim_start_matches('/')),
            Some(_) => {
                return Err(format!("{text:?} names another user's home; only ~/ is known, write the whole path"));
            }
        };
        // Collecting the components drops `./`; `..` stays, since it may lead through a symbolic link.
        Ok(path.components().collect())
    }

    fn home(&self) -> Result<&PathBuf, String> {
        self.home.as_ref().ok_or_else(|| "~ stands for a home folder, but HOME is not set; write the whole path".into())
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, behind) = after.split_once('}').ok_or("${ has no closing }")?;
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            if !is_variable_name(name) {
                return Err(format!("{name:?} is not a variable's name; allowed: ${{NAME}} and ${{NAME:-default}}"));
            }
            result.push_str(before);
            match ((self.variable)(name).filter(|value| !value.is_empty()), default) {
                (Some(value), _) => result.push_str(&value),
                (None, Some(default)) => result.push_str(default),
                (None, None) => {
                    return Err(format!(
                        "the environment variable {name} is not set; set it, or give a default: ${{{name}:-…}}"
                    ));
                }
            }
            rest = behind;
        }
        result.push_str(rest);
        Ok(result)
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, String> {
        let variable = |name: &str| match name {
            "RUN" => Some("/run/lab".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let environment = Environment { home: Some("/home/me".into()), folder: "/".into(), variable: &variable };
        environment.path(text, Path::new("/work/prod")).map(|path| path.display().to_string())
    }

    #[test]
    fn paths_are_made_absolute() {
        assert_eq!(path("./ca.pem").unwrap(), "/work/prod/ca.pem");
        assert_eq!(path("../ca.pem").unwrap(), "/work/prod/../ca.pem");
        assert_eq!(path("/etc/ca.pem").unwrap(), "/etc/ca.pem");
        assert_eq!(path("~/ca.pem").unwrap(), "/home/me/ca.pem");
        assert_eq!(path("~").unwrap(), "/home/me");
        assert_eq!(path("a~b").unwrap(), "/work/prod/a~b");
        assert_eq!(path("${RUN}/id").unwrap(), "/run/lab/id");
        assert_eq!(path("${EMPTY:-x}${NONE:-}/id").unwrap(), "/work/prod/x/id");
        assert_eq!(path("$RUN").unwrap(), "/work/prod/$RUN");
    }

    #[test]
    fn what_cannot_be_a_path_is_said() {
        assert!(path("${NONE}/id").unwrap_err().contains("NONE is not set"));
        assert!(path("${EMPTY}/id").unwrap_err().contains("EMPTY is not set"));
        assert!(path("${RUN/id").unwrap_err().contains("no closing }"));
        assert!(path("${2}/id").unwrap_err().contains("not a variable's name"));
        assert!(path("~root/id").unwrap_err().contains("another user's home"));
        assert!(path("").unwrap_err().contains("empty"));
    }
}
