//! One JSON object a line on standard output. Nothing secret is ever handed to it.

use serde_json::{Value, json};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn info(message: &str, fields: Value) {
    line("info", message, fields);
}

pub fn error(message: &str, fields: Value) {
    line("error", message, fields);
}

fn line(level: &str, message: &str, fields: Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let mut entry = json!({"time": (now * 1000.0).round() / 1000.0, "level": level, "msg": message});
    if let (Some(entry), Value::Object(fields)) = (entry.as_object_mut(), fields) {
        entry.extend(fields);
    }
    // a reader that has gone away is no reason to stop serving
    let _ = writeln!(std::io::stdout().lock(), "{entry}");
}
