//! Whether this process has been awake all the time. One that stood still (SIGSTOP, a laptop that sleeps) cannot know whether
//! its lock on a node is still its own: when it wakes up, it must not send on what it, or a program of its, had in hand.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Of a connection; clones share it. Open until [`Fence::beat`] was called once, and again after [`Fence::open`].
#[derive(Debug, Clone, Default)]
pub(super) struct Fence(Arc<Times>);

#[derive(Debug, Default)]
struct Times {
    /// Milliseconds since boot at the last sign of life, and how long it holds; 0 while there is no lock.
    last: AtomicU64,
    holds: AtomicU64,
}

impl Fence {
    /// A sign of life that holds for so long.
    ///
    /// # Errors
    /// When the one before holds no more: nothing makes it good again.
    pub fn beat(&self, holds: Duration) -> Result<(), NotAlone> {
        self.check()?;
        self.0.holds.store(millis(holds), Ordering::SeqCst);
        self.0.last.store(millis(since_boot()).max(1), Ordering::SeqCst);
        Ok(())
    }

    /// There is no lock any more, or none yet.
    pub fn open(&self) {
        self.0.last.store(0, Ordering::SeqCst);
    }

    /// The lock was lost.
    pub fn close(&self) {
        self.0.holds.store(0, Ordering::SeqCst);
        self.0.last.store(1, Ordering::SeqCst);
    }

    /// # Errors
    /// When there is a lock, and its last sign of life holds no more.
    pub fn check(&self) -> Result<(), NotAlone> {
        let last = self.0.last.load(Ordering::SeqCst);
        let since = millis(since_boot()).saturating_sub(last);
        if last != 0 && since > self.0.holds.load(Ordering::SeqCst) { Err(NotAlone) } else { Ok(()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this run is not alone any more: it stood still, or lost its lock, and the lock may be another's")]
pub(super) struct NotAlone;

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Time since boot, the time of sleep included: the clock of timeouts and `Instant` stands still while a laptop sleeps, and a
/// lock would seem to be fresh while another run has it.
pub fn since_boot() -> Duration {
    // macOS's monotonic clock goes on in sleep (its clock_gettime(3)).
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// A stream to a node that carries nothing there behind a closed fence.
pub(super) struct Fenced<S> {
    pub stream: S,
    pub fence: Fence,
}

impl<S: AsyncRead + Unpin> AsyncRead for Fenced<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fenced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Err(not_alone) = self.fence.check() {
            return Poll::Ready(Err(io::Error::other(not_alone)));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn behind_a_closed_fence_nothing_is_carried_and_nothing_opens_it_but_the_end_of_the_lock() {
        let fence = Fence::default();
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Fenced { stream: near, fence: fence.clone() };
        near.write_all(b"a").await.unwrap();
        fence.beat(Duration::from_secs(600)).unwrap();
        near.write_all(b"b").await.unwrap();
        fence.beat(Duration::ZERO).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert!(near.write_all(b"c").await.unwrap_err().to_string().contains("not alone any more"));
        assert_eq!(fence.beat(Duration::from_secs(600)), Err(NotAlone), "a later beat does not make it good");
        fence.open();
        near.write_all(b"d").await.unwrap();
        drop(near);
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abd");
    }
}
