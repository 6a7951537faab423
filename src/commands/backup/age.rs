//! How old something may be: `26h`, `7d`.

use std::str::FromStr;

use jiff::SignedDuration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub SignedDuration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Age, String> {
        let wrong = || format!("`{text}` is no age; allowed: a number with m, h or d behind it, such as 26h");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let minutes = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            _ => return Err(wrong()),
        };
        match number {
            0 => Err(wrong()),
            number => Ok(Age(SignedDuration::from_mins(i64::from(number) * minutes))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_a_unit() {
        assert_eq!("26h".parse(), Ok(Age(SignedDuration::from_hours(26))));
        assert_eq!("2d".parse(), Ok(Age(SignedDuration::from_hours(48))));
        for wrong in ["", "h", "26", "0h", "-1h", "1y", "1ä", "1.5h"] {
            assert!(wrong.parse::<Age>().is_err(), "{wrong}");
        }
    }
}
