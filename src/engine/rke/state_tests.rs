use super::*;

#[test]
fn a_state_file_cut_short_is_told_from_one_without_a_ca() {
    assert_eq!(State::parse(" \n").err(), Some(StateError::Empty));
    assert!(matches!(State::parse("{\"desiredState\": {").err(), Some(StateError::CutOff(_))));
    assert_eq!(State::parse("{}").err(), Some(StateError::NoCa));
}
