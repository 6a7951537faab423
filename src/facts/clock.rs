//! Clocks: four timestamps give the offset, as NTP does it (RFC 5905, section 8).

use super::{Fact, Unseen};

/// The node's clock when the probe began and when it ended, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeClock {
    pub start: f64,
    pub end: f64,
    /// How far the readings may lie from the truth: busybox tells whole seconds only.
    pub resolution: f64,
}

/// A node's clock against the laptop's, in seconds; above zero: the node is ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockOffset {
    pub seconds: f64,
    /// The true offset lies within this of `seconds`.
    pub uncertainty: f64,
}

impl NodeClock {
    pub(super) fn read(start: &str, end: &str) -> Fact<Self> {
        let (start, fine_start) = seconds(start)?;
        let (end, fine_end) = seconds(end)?;
        Ok(NodeClock { start, end, resolution: if fine_start && fine_end { 0.0 } else { 0.5 } })
    }

    /// `sent` and `received` are the laptop's clock around the whole exchange, in seconds since 1970.
    pub fn offset(&self, sent: f64, received: f64) -> ClockOffset {
        let seconds = ((self.start - sent) + (self.end - received)) / 2.0;
        let travel = ((received - sent) - (self.end - self.start)).max(0.0);
        ClockOffset { seconds, uncertainty: travel / 2.0 + self.resolution }
    }
}

/// Whether the reading is finer than a second comes with it: busybox may print `%N` as it stands.
fn seconds(text: &str) -> Fact<(f64, bool)> {
    let wrong = || Unseen(format!("date gave `{text}`"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: f64 = whole.parse::<u32>().map_err(|_| wrong())?.into();
    match format!("0.{fraction}").parse::<f64>() {
        Ok(fraction) if text.contains('.') => Ok((whole + fraction, true)),
        // half a second on, so that the error is the same to both sides
        Ok(_) | Err(_) => Ok((whole + 0.5, false)),
    }
}

/// The middle of the values; `None` of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_does_not_depend_on_how_long_the_probe_ran() {
        // the node is 5 s ahead; 0.1 s there, 8 s of work, 0.1 s back
        let clock = NodeClock::read("1005.1", "1013.1").unwrap();
        let offset = clock.offset(1000.0, 1008.2);
        assert!((offset.seconds - 5.0).abs() < 1e-6, "{offset:?}");
        assert!((offset.uncertainty - 0.1).abs() < 1e-6, "{offset:?}");
    }

    #[test]
    fn busybox_without_nanoseconds_is_half_a_second_unsure() {
        let clock = NodeClock::read("1000.%N", "1001.%N").unwrap();
        assert_eq!(clock.resolution, 0.5);
        assert_eq!(clock.start, 1000.5);
    }

    #[test]
    fn a_date_that_is_none_is_a_reason() {
        assert!(NodeClock::read("date: invalid", "1").is_err());
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 200.0]), Some(3.0));
        assert_eq!(median([1.0, 3.0]), Some(2.0));
    }
}
