//! Secrets that people put where none belong (chart values, an addon, a proxy's URL), taken out of what is shown.
//! The files and requests themselves keep them: rke and helm need what was asked for.

use serde_json::Value;

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Whether a key of this name holds a secret by its name: `password`, `clientSecret`, `apiKey`, `CATTLE_TOKEN`, but
/// not what only points at one (`secretName`, `ssh_key_path`, `topologyKey`).
pub fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 6] = ["password", "passwd", "passphrase", "secret", "token", "credential"];
    const POINTERS: [&str; 12] =
        ["name", "names", "ref", "keyref", "refs", "path", "file", "type", "kind", "algorithm", "seconds", "namespace"];
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    let key = plain.ends_with("key") && !["key", "publickey", "topologykey", "sshpublickey"].contains(&plain.as_str());
    let named = WORDS.iter().any(|word| plain.contains(word)) || key;
    named && !POINTERS.iter().any(|pointer| plain.ends_with(pointer))
}

/// The same value with secrets masked, for showing.
pub fn masked_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(masked(text)),
        Value::Array(items) => Value::Array(items.iter().map(masked_value).collect()),
        Value::Object(map) => {
            let secret_object = map.get("kind").and_then(Value::as_str) == Some("Secret");
            let variable = map.get("name").and_then(Value::as_str).is_some_and(is_secret);
            let one = |key: &String, value: &Value| {
                let data = secret_object && (key == "data" || key == "stringData");
                if data {
                    hidden(value)
                } else if is_secret(key) || (variable && key == "value") {
                    hidden_scalar(value)
                } else {
                    masked_value(value)
                }
            };
            Value::Object(map.iter().map(|(key, value)| (key.clone(), one(key, value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A map below a key such as `secrets:` is looked through; anything else there is hidden.
fn hidden_scalar(value: &Value) -> Value {
    match value {
        Value::Object(_) => masked_value(value),
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) if text.is_empty() => value.clone(),
        Value::String(_) | Value::Number(_) | Value::Array(_) => MASK.into(),
    }
}

/// Every value in it, with the keys left to read.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), hidden(value))).collect()),
        Value::Null => Value::Null,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => MASK.into(),
    }
}

/// The same text with secrets masked: passwords in URLs, private keys, and, where it is YAML, the values of keys that
/// hold secrets by their names, the values of environment variables named like that, and the data of Secrets.
pub fn masked(text: &str) -> String {
    let mut lines = Lines::default();
    let mut shown: Vec<String> = text.lines().filter_map(|line| lines.next(line)).collect();
    if text.ends_with('\n') {
        shown.push(String::new());
    }
    shown.join("\n")
}

/// What the lines before say about the next one.
#[derive(Default)]
struct Lines {
    /// Lines that are indented further belong to a value that was masked.
    below: Option<usize>,
    in_private_key: bool,
    /// The document is a Secret.
    secret: bool,
    /// Below `data:` of a Secret at this indentation.
    data: Option<usize>,
    /// An environment variable whose name says that its value is secret, at this indentation.
    variable: Option<usize>,
}

impl Lines {
    /// The line as it may be shown; `None` for one that belongs to a masked value.
    fn next(&mut self, line: &str) -> Option<String> {
        if self.in_private_key {
            self.in_private_key = !line.contains("-----END");
            return None;
        }
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        if let Some(below) = self.below {
            if line.trim().is_empty() || indent > below {
                return None;
            }
            self.below = None;
        }
        if let Some((before, _)) = line.split_once("-----BEGIN").filter(|(_, rest)| rest.contains("PRIVATE KEY")) {
            self.in_private_key = !line.contains("-----END");
            return Some(format!("{before}{MASK}"));
        }
        if line.trim() == "---" {
            *self = Lines::default();
        }
        let Some((key, value)) = pair(line) else { return Some(urls(line)) };
        self.secret |= key == "kind" && value == "Secret";
        self.data = self.data.filter(|data| indent > *data);
        let hidden = self.data.is_some()
            || is_secret(key)
            || (key == "value" && self.variable.is_some_and(|variable| variable == indent));
        self.variable = (key == "name" && is_secret(value.trim_matches(['"', '\'']))).then_some(indent);
        if self.secret && (key == "data" || key == "stringData") && value.is_empty() {
            self.data = Some(indent);
        }
        let harmless = matches!(value, "" | "true" | "false" | "null" | "{}" | "[]" | "\"\"" | "''");
        if !hidden || harmless {
            return Some(urls(line));
        }
        if value.starts_with(['|', '>']) {
            self.below = Some(indent);
        }
        Some(format!("{}{MASK}", &line[..line.trim_end().len() - value.len()]))
    }
}

/// The key and the value of a line of YAML such as `  - name: "x"`.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim_start_matches([' ', '-']).split_once(':')?;
    let key = key.trim_matches(['"', '\'']);
    let plain = !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
    (plain && (value.is_empty() || value.starts_with(' '))).then(|| (key, value.trim()))
}

/// `https://user:password@host` becomes `https://user:***@host`.
fn urls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`,".contains(c)).unwrap_or(after.len());
        let (authority, behind) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split_once(':').map(|(name, _)| format!("{name}:"));
                shown.push_str(&format!("{}{MASK}@{host}", name.unwrap_or_default()));
            }
            None => shown.push_str(authority),
        }
        rest = behind;
    }
    shown + rest
}

/// Where in these values something stands that is masked when it is shown, e.g. `rancher.values.proxy`.
pub fn secrets_in(path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let shown = masked_value(value);
            let inner = map.iter().flat_map(|(key, value)| {
                let path = format!("{path}.{key}");
                if value.is_object() || (value.is_array() && shown[key] != *MASK) {
                    return secrets_in(&path, value);
                }
                if shown[key] == *value { Vec::new() } else { vec![path] }
            });
            inner.collect()
        }
        Value::Array(items) => {
            let inner = items.iter().enumerate();
            inner.flat_map(|(index, item)| secrets_in(&format!("{path}[{index}]"), item)).collect()
        }
        Value::String(text) if masked(text) != *text => vec![path.to_owned()],
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        for secret in ["password", "dbPassword", "clientSecret", "api-key", "CATTLE_TOKEN", "secret_key", "privateKey"]
        {
            assert!(is_secret(secret), "{secret}");
        }
        for open in [
            "secretName",
            "key",
            "topologyKey",
            "ssh_key_path",
            "tokenExpirationSeconds",
            "kind",
            "publicKey",
            "monkeys",
            "secretKeyRef",
        ] {
            assert!(!is_secret(open), "{open}");
        }
    }

    #[test]
    fn yaml_keeps_its_shape_and_loses_its_secrets() {
        let text = "\
proxy: http://me:CANARY@proxy.example.com:3128/x
both: \"https://a:CANARY@h, https://CANARY@i\"
db:
  password: CANARY
  secretName: tls
  empty: ''
extraEnv:
- name: DB_PASSWORD
  value: CANARY
- name: MODE
  value: open
token: |
  CANARY
  CANARY
after: shown
pem: |
  -----BEGIN EC PRIVATE KEY-----
  CANARY
  -----END EC PRIVATE KEY-----
last: shown
---
kind: Secret
stringData:
  x: CANARY
metadata: {}
";
        let shown = masked(text);
        assert!(!shown.contains("CANARY"), "{shown}");
        for kept in [
            "proxy: http://me:***@proxy.example.com:3128/x\n",
            "both: \"https://a:***@h, https://***@i\"\n",
            "  password: ***\n  secretName: tls\n  empty: ''\n",
            "- name: DB_PASSWORD\n  value: ***\n- name: MODE\n  value: open\n",
            "token: ***\nafter: shown\n",
            "last: shown\n---\nkind: Secret\nstringData:\n  x: ***\nmetadata: {}\n",
        ] {
            assert!(shown.contains(kept), "{kept}\nis not in\n{shown}");
        }
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        for text in
            ["", "a\n", "no newline", "a: https://h/x@y\n", "kind: Secret\nsecretName: x", "a: 1\n\nb: |\n  c: d\n"]
        {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn values_are_masked_and_their_places_named() {
        let values = json!({
            "proxy": "http://me:CANARY@p", "auth": {"token": "CANARY", "secretName": "x"}, "keys": ["a"], "replicas": 3,
            "extraEnv": [{"name": "API_KEY", "value": "CANARY"}, {"name": "MODE", "value": "open"}],
        });
        let shown = masked_value(&values);
        assert!(!shown.to_string().contains("CANARY"), "{shown}");
        assert_eq!((&shown["replicas"], &shown["auth"]["secretName"]), (&json!(3), &json!("x")));
        assert_eq!(secrets_in("values", &values), ["values.proxy", "values.auth.token", "values.extraEnv[0].value"]);
    }
}
