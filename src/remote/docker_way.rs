//! rke's calls to one node's Docker on their way: each is read and asked about before it passes; what follows is carried
//! as it is.
//!
//! rke's client sends no second call on a connection before the answer to the first is there (Go's net/http), so what comes
//! from Docker after a call belongs to it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split,
};
use tokio::sync::{Mutex as Shared, oneshot};

use super::docker_call::{Body, DockerCall, Head, LONGEST_HEAD, chunk, head, refusal, status};
use super::wire::Wire;

/// Who decides about the calls that pass.
pub trait Gate: Send + Sync {
    /// Whether it may pass, and waits until then. Dropped before its end, it has let nothing pass.
    ///
    /// # Errors
    /// Why it may not, which rke is told in Docker's place.
    fn before<'a>(&'a self, call: &'a DockerCall) -> BoxFuture<'a, Result<(), String>>;

    /// It has passed; Docker's status, or `None` when nobody waited for the answer.
    fn after(&self, call: &DockerCall, status: Option<u16>);
}

/// A gate that lets everything pass, and keeps it on record.
pub struct Open;

impl Gate for Open {
    fn before<'a>(&'a self, _: &'a DockerCall) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn after(&self, call: &DockerCall, status: Option<u16>) {
        call.keep(status);
    }
}

/// Carries calls from `near` (rke) to `far` (the node's Docker) and answers back, until either side ends.
pub(super) async fn carry<Near>(near: Near, far: Box<dyn Wire>, node: &str, gate: &Arc<dyn Gate>) -> io::Result<()>
where
    Near: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (from_rke, to_rke) = split(near);
    let (from_docker, to_docker) = split(far);
    let (to_rke, waiting) = (Shared::new(to_rke), Mutex::new(None));
    let calls = Calls { from: BufReader::new(from_rke), to: to_docker, to_rke: &to_rke, waiting: &waiting, node, gate };
    // Docker ends its side once it has answered; what it still says is heard.
    futures::future::try_join(calls.carry(), answers(from_docker, &to_rke, &waiting)).await.map(drop)
}

/// Whoever waits for the first bytes of an answer.
type Waiting = Mutex<Option<oneshot::Sender<u16>>>;

/// Tells the gate of what has passed, however the carrying ends.
struct Passed<'a> {
    gate: &'a Arc<dyn Gate>,
    call: &'a DockerCall,
    status: Option<u16>,
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        self.gate.after(self.call, self.status);
    }
}

struct Calls<'a, Near> {
    from: BufReader<ReadHalf<Near>>,
    to: WriteHalf<Box<dyn Wire>>,
    to_rke: &'a Shared<WriteHalf<Near>>,
    waiting: &'a Waiting,
    node: &'a str,
    gate: &'a Arc<dyn Gate>,
}

impl<Near: AsyncRead + AsyncWrite + Unpin + Send> Calls<'_, Near> {
    async fn carry(mut self) -> io::Result<()> {
        while let Some(bytes) = self.head().await? {
            let Ok(Head { method, path, body, upgrade }) = head(&bytes) else {
                return self.refuse("cowhand cannot read this call, so it does not pass").await;
            };
            let call = DockerCall { node: self.node.to_owned(), method, path };
            if let Err(why) = self.allowed(&call).await? {
                return self.refuse(&why).await;
            }
            let status = self.pass(&call, &bytes, body).await?;
            // 101 since Docker 1.8; 200 from what is older.
            match (upgrade, status) {
                (true, Some(101 | 200)) => {
                    tokio::io::copy_buf(&mut self.from, &mut self.to).await?;
                    break;
                }
                // What would follow is read by nobody in the same way.
                (true, _) | (_, None) => break,
                (false, Some(_)) => {}
            }
        }
        self.to.shutdown().await
    }

    /// The next call up to its blank line; `None` at the end.
    async fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            let room = (LONGEST_HEAD - before) as u64;
            (&mut self.from).take(room).read_until(b'\n', &mut bytes).await?;
            match (before, bytes.len()) {
                (0, 0) => return Ok(None),
                (before, now) if before == now || now >= LONGEST_HEAD => return Err(io::ErrorKind::InvalidData.into()),
                _ if bytes.ends_with(b"\r\n\r\n") => return Ok(Some(bytes)),
                _ => {}
            }
        }
    }

    /// The gate's answer. When rke does not wait for it any more, nothing has passed.
    async fn allowed(&mut self, call: &DockerCall) -> io::Result<Result<(), String>> {
        let asked = self.gate.before(call);
        tokio::select! {
            biased;
            allowed = asked => Ok(allowed),
            () = ended(&mut self.from) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    async fn pass(&mut self, call: &DockerCall, bytes: &[u8], body: Body) -> io::Result<Option<u16>> {
        let mut passed = Passed { gate: self.gate, call, status: None };
        let (sender, answer) = oneshot::channel();
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        self.to.write_all(bytes).await?;
        match body {
            Body::Length(length) => self.bytes(length).await?,
            Body::Chunked => self.chunks().await?,
        }
        self.to.flush().await?;
        passed.status = tokio::select! {
            biased;
            status = answer => status.ok(),
            () = ended(&mut self.from) => None,
        };
        Ok(passed.status)
    }

    async fn bytes(&mut self, length: u64) -> io::Result<()> {
        let copied = tokio::io::copy_buf(&mut (&mut self.from).take(length), &mut self.to).await?;
        if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn chunks(&mut self) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            match chunk(&line).map_err(io::Error::other)? {
                0 => break,
                // With the end of its line.
                length => self.bytes(length.saturating_add(2)).await?,
            }
        }
        // What follows the last chunk ends with a blank line.
        while self.line().await? != b"\r\n" {}
        Ok(())
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.from).take(LONGEST_HEAD as u64).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.to.write_all(&line).await?;
        Ok(line)
    }

    async fn refuse(&mut self, why: &str) -> io::Result<()> {
        let mut to_rke = self.to_rke.lock().await;
        to_rke.write_all(&refusal(why)).await?;
        to_rke.shutdown().await?;
        self.to.shutdown().await
    }
}

/// Waits until rke has ended its side. What it says before its time is left for later.
async fn ended(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) {
    match from.fill_buf().await {
        Ok([]) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

/// Answers as they come; the first bytes of each are looked at.
async fn answers<Near: AsyncWrite>(
    mut from: ReadHalf<Box<dyn Wire>>,
    to: &Shared<WriteHalf<Near>>,
    waiting: &Waiting,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut first = Vec::new();
    loop {
        let count = from.read(&mut buffer).await?;
        let bytes = &buffer[..count];
        if count == 0 {
            return to.lock().await.shutdown().await;
        }
        look(bytes, &mut first, waiting);
        let mut to = to.lock().await;
        to.write_all(bytes).await?;
        to.flush().await?;
    }
}

/// 1xx is no answer yet, except the one that ends HTTP (101).
fn look(bytes: &[u8], first: &mut Vec<u8>, waiting: &Waiting) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if waiting.is_none() {
        return;
    }
    first.extend_from_slice(bytes);
    while let Some(status) = status(first) {
        if matches!(status, 100 | 102..=199) {
            let end = first.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else { return };
            first.drain(..end + 4);
            continue;
        }
        first.clear();
        if let Some(sender) = waiting.take() {
            // Nobody waits any more where rke has gone.
            let _ = sender.send(status);
        }
    }
}

#[cfg(test)]
#[path = "docker_way_tests.rs"]
mod tests;
