//! Seconds as people read them.

/// `1.1s`, `42s`, `1m52s`, `1h02m`.
pub fn took(seconds: f64) -> String {
    if seconds < 9.95 { format!("{seconds:.1}s") } else { so_far(seconds) }
}

/// As [`took`], in whole seconds from the start: for something that is still going on.
pub fn so_far(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600.. => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_its_form() {
        let forms: Vec<String> = [0.04, 1.12, 9.96, 59.4, 59.7, 112.0, 3725.0].map(took).into();
        assert_eq!(forms, ["0.0s", "1.1s", "10s", "59s", "1m00s", "1m52s", "1h02m"]);
        assert_eq!(so_far(9.0), "9s");
    }
}
