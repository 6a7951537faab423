//! The one signal that everything open listens for. Whoever holds an `Ending` is waited for.

use tokio::sync::watch;

#[derive(Clone)]
pub struct Ending(watch::Receiver<bool>);

pub fn channel() -> (watch::Sender<bool>, Ending) {
    let (sender, receiver) = watch::channel(false);
    (sender, Ending(receiver))
}

impl Ending {
    pub async fn asked(&mut self) {
        // an error means that the sender is gone, and that is an end as well
        let _ = self.0.wait_for(|ending| *ending).await;
    }
}
