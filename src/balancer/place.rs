//! A path on the balancer, which every configuration language here takes as it stands.

use std::fmt;
use std::str::FromStr;

/// An absolute path of letters, digits and `/ . _ - + @ =`: nothing that haproxy or nginx would read as anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

/// What cannot be a [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a file on the balancer has an absolute path, of letters, digits and /._-+@= only")]
pub struct NotAPlace;

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Place, NotAPlace> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@=".contains(letter);
        let named = text.starts_with('/') && !text.ends_with('/');
        if named && text.chars().all(fits) { Ok(Place(text.to_owned())) } else { Err(NotAPlace) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_no_quotes_is_a_place() {
        for good in ["/etc/nginx/tls/rancher.pem", "/a", "/srv/tls-2026/x+y@z=1_.pem"] {
            assert_eq!(good.parse::<Place>().map(|place| place.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "/", "rancher.pem", "./x", "/a b", "/a;", "/a{", "/$HOME/x", "/a#b", "/a\"b", "/a\nb", "/etc/"]
        {
            assert_eq!(bad.parse::<Place>(), Err(NotAPlace), "{bad:?}");
        }
    }
}
