//! The usual part of ssh_config(5), for machines without an `ssh` program to ask.
//!
//! `Match` and `Include` are refused: half of a configuration is worse than none.

/// The settings that `text` (the file called `file`) has for `host`, keywords in lower case, in order of the file;
/// the first value of a keyword is the one that counts. Fails with what cannot be read and its line.
pub(super) fn settings(text: &str, file: &str, host: &str) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut applies = true;
    for (index, line) in text.lines().enumerate() {
        let at = || format!("{file}, line {}", index + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let keyword = line[..end].to_ascii_lowercase();
        let value = line[end..].trim_start();
        let value = value.strip_prefix('=').unwrap_or(value).trim();
        if value.is_empty() {
            return Err(format!("{}: `{keyword}` has no value", at()));
        }
        match keyword.as_str() {
            "match" | "include" => {
                return Err(format!(
                    "{}: `{}` is only understood with the help of the `ssh` program, which is not in PATH",
                    at(),
                    &line[..end]
                ));
            }
            "host" => applies = matches(value, host),
            _ if applies => found.push((keyword, unquoted(value).to_string())),
            _ => {}
        }
    }
    Ok(found)
}

/// Fills `%h` of HostName, as `ssh -G` does.
pub(super) fn with_host_name(mut settings: Vec<(String, String)>, host: &str) -> Vec<(String, String)> {
    for (_, value) in settings.iter_mut().filter(|(keyword, _)| keyword == "hostname") {
        *value = value.replace("%h", host).replace("%%", "%");
    }
    // The first of the two wins, as in OpenSSH.
    let way = |keyword: &str| ["proxyjump", "proxycommand"].contains(&keyword);
    let chosen = settings.iter().find(|(keyword, _)| way(keyword)).map(|(keyword, _)| keyword.clone());
    settings.retain(|(keyword, _)| !way(keyword) || Some(keyword) == chosen.as_ref());
    settings
}

fn matches(patterns: &str, host: &str) -> bool {
    let mut hit = false;
    for pattern in patterns.split_whitespace().map(unquoted) {
        match pattern.strip_prefix('!') {
            Some(not) if super::known_hosts::glob(not, host) => return false,
            Some(_) => {}
            None => hit |= super::known_hosts::glob(pattern, host),
        }
    }
    hit
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value)
}

/// The words of a value, parted as OpenSSH parts them (misc.c, argv_split): quotes of both kinds group, and a backslash
/// takes a quote, a blank or a backslash as it is. With `comments` a word that begins with `#` ends them.
pub fn split_words(text: &str, comments: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(first) = letters.peek() {
        if first.is_whitespace() {
            letters.next();
            continue;
        }
        if comments && *first == '#' {
            break;
        }
        let (mut value, mut quote) = (String::new(), None);
        while let Some(letter) = letters.next_if(|letter| quote.is_some() || !letter.is_whitespace()) {
            match (letter, quote) {
                ('\\', _) if letters.peek().is_some_and(|next| matches!(next, '\\' | '"' | '\'' | ' ')) => {
                    value.extend(letters.next());
                }
                ('"' | '\'', None) => quote = Some(letter),
                (_, Some(open)) if letter == open => quote = None,
                (_, _) => value.push(letter),
            }
        }
        words.push(value);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
User first
# a comment
Host n1 n2
  HostName %h.example.com
  Port=2222
  IdentityFile \"~/my key\"
Host !n2 *
\tUser second
  ProxyJump bastion
  ProxyCommand nc %h %p
Host other
  Port 1
";

    fn get(host: &str, keyword: &str) -> Option<String> {
        let settings = with_host_name(settings(CONFIG, "config", host).unwrap(), host);
        settings.into_iter().find(|(known, _)| known == keyword).map(|(_, value)| value)
    }

    #[test]
    fn the_first_value_that_applies_counts() {
        assert_eq!(get("n1", "user").as_deref(), Some("first"));
        assert_eq!(get("n1", "hostname").as_deref(), Some("n1.example.com"));
        assert_eq!(get("n1", "port").as_deref(), Some("2222"));
        assert_eq!(get("n1", "identityfile").as_deref(), Some("~/my key"));
        assert_eq!(get("n1", "proxyjump").as_deref(), Some("bastion"));
        assert_eq!(get("n1", "proxycommand"), None);
        assert_eq!(get("n2", "proxyjump"), None);
        assert_eq!(get("other", "port").as_deref(), Some("1"));
    }

    #[test]
    fn half_a_configuration_is_refused() {
        for line in ["Match host n1", "Include conf.d/*", "include=x"] {
            let error = settings(&format!("Port 22\n{line}\n"), "~/.ssh/config", "n1").unwrap_err();
            assert!(error.starts_with("~/.ssh/config, line 2: `"), "{error}");
        }
        assert_eq!(settings("User\n", "c", "n1").unwrap_err(), "c, line 1: `user` has no value");
    }
}
