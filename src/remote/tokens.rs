//! What stands for something else in a value of an ssh configuration: `%h`, `${NAME}`, `~`.

use std::path::PathBuf;

/// The `%` tokens of ssh_config(5) that make sense without a local process, and `${VARIABLE}`.
pub(super) struct Tokens<'a> {
    pub given: &'a str,
    /// HostKeyAlias.
    pub alias: Option<&'a str>,
    pub host: &'a str,
    pub port: u16,
    pub user: &'a str,
}

impl Tokens<'_> {
    pub fn path(&self, text: &str) -> PathBuf {
        home(&self.variables(&self.expand(text.trim_matches('"'))))
    }

    /// Tokens that nobody knows stay as they are.
    pub fn expand(&self, text: &str) -> String {
        self.expand_also(text, &|other| Some(['%', other].iter().collect())).unwrap_or_default()
    }

    /// Also with tokens of somebody else's; fails with one that nobody knows.
    pub fn expand_also(&self, text: &str, also: &dyn Fn(char) -> Option<String>) -> Result<String, char> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('h') => out.push_str(self.host),
                Some('n') => out.push_str(self.given),
                Some('k') => out.push_str(self.alias.unwrap_or(self.given)),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(self.user),
                Some('u') => out.push_str(&local_user().unwrap_or_default()),
                Some('d') => out.push_str(&home("~/").to_string_lossy()),
                Some('%') => out.push('%'),
                Some(other) => out.push_str(&also(other).ok_or(other)?),
                None => out.push('%'),
            }
        }
        Ok(out)
    }

    fn variables(&self, text: &str) -> String {
        match text
            .split_once("${")
            .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
        {
            Some((before, name, after)) => {
                format!("{before}{}{}", std::env::var(name).unwrap_or_default(), self.variables(after))
            }
            None => text.to_string(),
        }
    }
}

/// `~` at the beginning stands for the home folder.
pub(super) fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) | (None, _) => PathBuf::from(path),
    }
}

pub(super) fn local_user() -> Option<String> {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|user| !user.is_empty())
}
