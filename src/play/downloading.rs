//! Tells of a download while it goes on, now and then.

use crate::play::{Event, Fetched, Tell};

/// Between two events, when the size is not told.
const STRIDE: u64 = 4 * 1024 * 1024;
/// Of a known size an event is told for each of so many parts.
const PARTS: u64 = 20;

/// One download. Nothing is told of a program that was there already.
pub struct Downloading<'a> {
    tell: &'a Tell,
    what: String,
    /// How many bytes make the next event; `None` before the first.
    next: Option<u64>,
}

impl<'a> Downloading<'a> {
    /// `what` is the program with its version.
    pub fn new(tell: &'a Tell, what: String) -> Self {
        Downloading { tell, what, next: None }
    }

    /// Hears of every piece.
    pub fn part(&mut self, done: u64, total: Option<u64>) {
        if self.next.is_some_and(|next| done < next) {
            return;
        }
        let stride = total.map_or(STRIDE, |total| total / PARTS).max(1);
        self.next = Some((done / stride + 1) * stride);
        self.event(Fetched::Part { done, total });
    }

    /// Says how it ended, if it ever began.
    pub fn end(self, whole: bool) {
        if self.next.is_some() {
            self.event(if whole { Fetched::Whole } else { Fetched::Failed });
        }
    }

    fn event(&self, fetched: Fetched) {
        self.tell.event(Event::Download { what: self.what.clone(), fetched });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[u64], total: Option<u64>) -> Vec<Fetched> {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let tell = Tell::new(sender);
        let mut download = Downloading::new(&tell, "rke v1.8.0".into());
        pieces.iter().for_each(|done| download.part(*done, total));
        download.end(true);
        drop(tell);
        let mut told = Vec::new();
        while let Ok(Event::Download { fetched, .. }) = events.try_recv() {
            told.push(fetched);
        }
        told
    }

    #[test]
    fn each_twentieth_is_told_once_and_the_end() {
        let pieces: Vec<u64> = (0..=1000).collect();
        let told = told(&pieces, Some(1000));
        assert_eq!(told.len(), 22);
        assert_eq!(told[1], Fetched::Part { done: 50, total: Some(1000) });
        assert_eq!(told[20..], [Fetched::Part { done: 1000, total: Some(1000) }, Fetched::Whole]);
    }

    #[test]
    fn without_a_size_it_is_told_each_four_mebibytes() {
        let pieces: Vec<u64> = (0..=10).map(|mebibytes| mebibytes << 20).collect();
        assert_eq!(told(&pieces, None).len(), 4);
    }

    #[test]
    fn what_was_there_is_not_told() {
        assert_eq!(told(&[], None), []);
    }
}
