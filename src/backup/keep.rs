//! Which backups may go: `7d,4w,6m` keeps the newest good one of each of seven days, four weeks and six months.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::flaw::Level;

/// How many of each are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    pub days: usize,
    pub weeks: usize,
    pub months: usize,
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Keep, String> {
        let mut keep = Keep::default();
        for part in text.split(',').map(str::trim) {
            let wrong = || format!("`{part}` is no number with d, w or m behind it, such as 7d");
            let (number, unit) = part.split_at_checked(part.len().saturating_sub(1)).ok_or_else(wrong)?;
            let place = match unit {
                "d" => &mut keep.days,
                "w" => &mut keep.weeks,
                "m" => &mut keep.months,
                _ => return Err(wrong()),
            };
            *place = number.parse().map_err(|_| wrong())?;
        }
        match keep == Keep::default() {
            true => Err("that keeps nothing".into()),
            false => Ok(keep),
        }
    }
}

/// What the rule goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged {
    pub taken: Timestamp,
    pub level: Level,
}

/// The positions of those that may go. A good one is of level 3; the newest good one never goes, and one that is not good
/// goes only when a good one is newer.
pub fn judge(backups: &[Aged], keep: Keep) -> Vec<usize> {
    let mut newest_first: Vec<usize> = (0..backups.len()).collect();
    newest_first.sort_by_key(|at| std::cmp::Reverse(backups[*at].taken));
    let good: Vec<usize> = newest_first.iter().copied().filter(|at| backups[*at].level >= Level::Together).collect();
    let Some(newest_good) = good.first() else { return Vec::new() };
    let mut kept = BTreeSet::from([*newest_good]);
    for (count, name) in [(keep.days, "%Y-%m-%d"), (keep.weeks, "%G-%V"), (keep.months, "%Y-%m")] {
        let mut seen = BTreeSet::new();
        for at in &good {
            let date = backups[*at].taken.to_zoned(TimeZone::UTC).strftime(name).to_string();
            if !seen.contains(&date) && seen.len() < count {
                seen.insert(date);
                kept.insert(*at);
            }
        }
    }
    let newer = |at: &usize| backups[*at].taken > backups[*newest_good].taken;
    newest_first.into_iter().filter(|at| !kept.contains(at) && !newer(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, level: Level) -> Aged {
        Aged { taken: format!("{text}T03:00:00Z").parse().unwrap(), level }
    }

    fn gone(backups: &[Aged], keep: &str) -> Vec<String> {
        let removed = judge(backups, keep.parse().unwrap());
        let mut removed: Vec<String> =
            removed.into_iter().map(|at| backups[at].taken.strftime("%m-%d").to_string()).collect();
        removed.sort();
        removed
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_stays() {
        let days = ["2026-10-02", "2026-10-31", "2026-11-15", "2026-11-22", "2026-11-28", "2026-11-29", "2026-11-30"];
        let all: Vec<Aged> = days.iter().map(|day| at(day, Level::Together)).collect();
        assert_eq!(gone(&all, "2d"), ["10-02", "10-31", "11-15", "11-22", "11-28"]);
        assert_eq!(gone(&all, "1d,3w"), ["10-02", "10-31", "11-15", "11-28"]);
        assert_eq!(gone(&all, "1d,2m"), ["10-02", "11-15", "11-22", "11-28", "11-29"]);
        assert_eq!(gone(&all, "40d"), Vec::<String>::new());
    }

    #[test]
    fn the_last_good_one_never_goes_and_bad_ones_only_behind_it() {
        let all = [
            at("2026-11-01", Level::Readable),
            at("2026-11-02", Level::Together),
            at("2026-11-29", Level::Whole),
            at("2026-11-30", Level::Readable),
        ];
        assert_eq!(gone(&all, "1d"), ["11-01"]);
        assert_eq!(gone(&all[2..], "1d"), Vec::<String>::new(), "none is good");
    }

    #[test]
    fn a_rule_is_read_or_refused() {
        assert_eq!("7d,4w,6m".parse(), Ok(Keep { days: 7, weeks: 4, months: 6 }));
        for wrong in ["", "7", "d", "7y", "0d", "-1d", "7d;4w", "7ä"] {
            assert!(wrong.parse::<Keep>().is_err(), "{wrong}");
        }
    }
}
