//! The name that was probably meant.

use super::path::KeyPath;
use super::schema::known_keys;

/// The nearest of some names to a word, if one is near enough: the same but for case, dashes and underscores, or at most
/// a third of its letters wrong.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = plain(word);
    if plain.is_empty() {
        return None;
    }
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&plain, &self::plain(name)), *name))
        .filter(|(distance, name)| *distance <= (plain.len().max(name.len()) / 3).max(1) && *distance < plain.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn plain(word: &str) -> String {
    // No name is longer; a long word would only cost time.
    word.chars().take(64).filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Where a key of this name is known: the place nearest to the top, if there is only one so near.
pub(super) fn elsewhere(key: &str, path: &KeyPath) -> Option<String> {
    let mut places: Vec<&Vec<String>> =
        known_keys().iter().filter(|(_, name)| name == key).map(|(above, _)| above).collect();
    places.sort_by_key(|above| above.len());
    let (first, others) = places.split_first()?;
    let alone = others.first().is_none_or(|other| other.len() > first.len());
    let place = first.join(".");
    (alone && !place.is_empty() && KeyPath::from(place.as_str()).key(key) != *path).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_what_was_not_is_left() {
        let names = ["address", "internal_address", "identity_file", "roles", "name", "ca", "key"];
        assert_eq!(nearest("adress", &names), Some("address"));
        assert_eq!(nearest("identityFile", &names), Some("identity_file"));
        assert_eq!(nearest("internal-address", &names), Some("internal_address"));
        assert_eq!(nearest("role", &names), Some("roles"));
        assert_eq!(nearest("nmae", &names), Some("name"));
        assert_eq!(nearest("kubernetes", &names), None);
        assert_eq!(nearest("x", &names), None);
        assert_eq!(nearest("", &names), None);
    }

    #[test]
    fn a_key_in_the_wrong_place_is_sent_home() {
        assert_eq!(elsewhere("hostname", &KeyPath::from("hostname")).as_deref(), Some("rancher"));
        assert_eq!(elsewhere("hostname", &KeyPath::from("rancher.hostname")), None);
        assert_eq!(elsewhere("addon_job_timeout", &KeyPath::from("x")).as_deref(), Some("engine.rke.cluster"));
        assert_eq!(elsewhere("kubernetes", &KeyPath::from("kubernetes")).as_deref(), Some("engine.rke"));
        assert_eq!(elsewhere("chart", &KeyPath::from("chart")), None, "known in several places");
    }
}
