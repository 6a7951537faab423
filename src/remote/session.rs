//! A command on a channel: run to its end, or kept running while we talk to it.

use std::collections::VecDeque;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::guard;
use super::output::LARGEST_OUTPUT;
use super::{Ended, Output, RemoteError, Stdin, Words};

/// A longer line is cut in pieces: nobody reads it, and memory is not endless.
const LONGEST_LINE: usize = 64 * 1024;

/// One exec channel. Dropped, it closes the channel, and only then gives its place back.
pub(super) struct Session {
    read: ChannelReadHalf,
    write: Option<ChannelWriteHalf<Msg>>,
    permit: Option<OwnedSemaphorePermit>,
    node: String,
    closed: watch::Receiver<Option<String>>,
    ended: Option<Ended>,
    /// What came before the server said that the command was started.
    early: VecDeque<ChannelMsg>,
}

impl Session {
    pub fn new(
        channel: Channel<Msg>,
        permit: OwnedSemaphorePermit,
        node: String,
        closed: watch::Receiver<Option<String>>,
    ) -> Self {
        let (read, write) = channel.split();
        Session { read, write: Some(write), permit: Some(permit), node, closed, ended: None, early: VecDeque::new() }
    }

    /// Starts the command and waits for the server's word that it has.
    pub async fn exec(&mut self, words: &Words) -> Result<(), RemoteError> {
        if let Some(write) = &self.write {
            write.exec(true, words.line()).await.map_err(|_| self.closed_error())?;
        }
        let mut said = 0;
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::Failure) => {
                    let reason = "the server refuses commands for this user".to_string();
                    return Err(RemoteError::Refused { node: self.node.clone(), reason });
                }
                Some(other) => {
                    said += match &other {
                        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => data.len(),
                        // Whatever else there is takes some room as well.
                        _ => 64,
                    };
                    self.early.push_back(other);
                    if said > LARGEST_OUTPUT {
                        return Err(self.too_much(words));
                    }
                }
                None => return Err(self.closed_error()),
            }
        }
    }

    /// Feeds stdin and reads everything until the channel ends. Who says more than [`LARGEST_OUTPUT`] is not heard out.
    pub async fn complete(&mut self, words: &Words, stdin: Stdin) -> Result<Output, RemoteError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let write = self.write.take();
        let feed = async {
            if let Some(write) = &write {
                // A command need not read its input; if it has gone, its end will be told.
                let _ = fed_with(write, stdin).await;
                let _ = write.eof().await;
            }
        };
        let mut feed = std::pin::pin!(feed);
        let mut fed = false;
        loop {
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                piece = self.piece() => match piece {
                    Some(Piece::Out(data)) => stdout.extend_from_slice(&data),
                    Some(Piece::Err(data)) => stderr.extend_from_slice(&data),
                    None => break,
                }
            }
            if stdout.len() + stderr.len() > LARGEST_OUTPUT {
                return Err(self.too_much(words));
            }
        }
        Ok(Output::new(self.ended(), stdout, stderr))
    }

    fn too_much(&self, words: &Words) -> RemoteError {
        RemoteError::TooMuch { node: self.node.clone(), command: words.line() }
    }

    /// The next bytes that the command says; nothing when it has ended. Safe to drop half-way.
    async fn piece(&mut self) -> Option<Piece> {
        loop {
            let message = match self.early.pop_front() {
                Some(message) => Some(message),
                None => self.read.wait().await,
            };
            match message? {
                ChannelMsg::Data { data } => return Some(Piece::Out(data.into())),
                ChannelMsg::ExtendedData { data, .. } => return Some(Piece::Err(data.into())),
                ChannelMsg::ExitStatus { exit_status } => self.ended = Some(Ended::Code(exit_status.cast_signed())),
                ChannelMsg::ExitSignal { signal_name, .. } => self.ended = Some(Ended::Signal(name(&signal_name))),
                _ => {}
            }
        }
    }

    /// No word about the end means that the connection was lost, or that the server gave up the channel.
    fn ended(&self) -> Ended {
        self.ended.clone().unwrap_or(Ended::ConnectionLost)
    }

    pub async fn terminate(&self) {
        if let Some(write) = &self.write {
            // Best effort: for root OpenSSH does not pass signals on.
            let _ = write.signal(Sig::TERM).await;
        }
    }

    fn closed_error(&self) -> RemoteError {
        RemoteError::Closed { node: self.node.clone(), reason: guard::reason(&self.closed) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (write, permit) = (self.write.take(), self.permit.take());
        if let (Some(write), Ok(runtime)) = (write, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                // A channel that has ended by itself is closed already; then this says nothing to the server.
                let _ = write.close().await;
                drop(permit);
            });
        }
    }
}

/// A file goes on as fast as it is taken over there; only what is under way is in memory.
async fn fed_with(write: &ChannelWriteHalf<Msg>, stdin: Stdin) -> Result<(), russh::Error> {
    match stdin {
        Stdin::File(file) => write.data(tokio::fs::File::from_std(file.try_clone()?)).await,
        Stdin::Empty | Stdin::Text(_) | Stdin::Secret(_) | Stdin::Bytes(_) => {
            write.data_bytes(stdin.into_bytes()).await
        }
    }
}

enum Piece {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

fn name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// A line that a running command says, without its end of line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Out(String),
    Err(String),
}

/// A command that runs while we talk to it. Dropped, its stdin ends; whether it then ends too is its own affair.
///
/// Whoever has one must read its lines: a few thousand unread packets would stop the whole connection.
pub struct Running {
    session: Session,
    out: Vec<u8>,
    err: Vec<u8>,
    ready: VecDeque<Line>,
}

impl Running {
    pub(super) fn new(session: Session) -> Self {
        Running { session, out: Vec::new(), err: Vec::new(), ready: VecDeque::new() }
    }

    /// The next line that it says; nothing when it has ended. Safe to use in a `select!`.
    pub async fn line(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            match self.session.piece().await {
                Some(Piece::Out(data)) => split(&mut self.out, &data, &mut self.ready, Line::Out),
                Some(Piece::Err(data)) => split(&mut self.err, &data, &mut self.ready, Line::Err),
                None => {
                    let mut rest = |bytes: &mut Vec<u8>, kind: fn(String) -> Line| {
                        let text = String::from_utf8_lossy(&std::mem::take(bytes)).into_owned();
                        self.ready.extend((!text.is_empty()).then(|| kind(text)));
                    };
                    rest(&mut self.out, Line::Out);
                    rest(&mut self.err, Line::Err);
                    return self.ready.pop_front();
                }
            }
        }
    }

    /// Writes to its stdin.
    pub async fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<(), RemoteError> {
        match &self.session.write {
            Some(write) => write.data_bytes(bytes.into()).await.map_err(|_| self.session.closed_error()),
            None => Err(self.session.closed_error()),
        }
    }

    /// Ends its stdin and waits until it has ended; lines that it still says are thrown away.
    pub async fn finish(mut self) -> Ended {
        if let Some(write) = &self.session.write {
            // If the connection is gone, the end says so.
            let _ = write.eof().await;
        }
        self.ended().await
    }

    /// Waits until it has ended by itself; lines that were not read are thrown away.
    pub async fn ended(&mut self) -> Ended {
        while self.session.piece().await.is_some() {}
        self.session.ended()
    }
}

fn split(rest: &mut Vec<u8>, data: &[u8], ready: &mut VecDeque<Line>, kind: fn(String) -> Line) {
    rest.extend_from_slice(data);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = rest.drain(..=end).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        ready.push_back(kind(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()));
    }
    if rest.len() > LONGEST_LINE {
        ready.push_back(kind(String::from_utf8_lossy(&std::mem::take(rest)).into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces() {
        let (mut rest, mut ready) = (Vec::new(), VecDeque::new());
        for piece in ["on", "e\ntwo\r\n\nth", "ree"] {
            split(&mut rest, piece.as_bytes(), &mut ready, Line::Out);
        }
        let texts: Vec<_> =
            ready.into_iter().map(|line| if let Line::Out(text) = line { text } else { panic!() }).collect();
        assert_eq!(texts, ["one", "two", ""]);
        assert_eq!(rest, b"three");
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let (mut rest, mut ready) = (Vec::new(), VecDeque::new());
        for _ in 0..40 {
            split(&mut rest, &[b'y'; 32 * 1024], &mut ready, Line::Out);
            assert!(rest.len() <= LONGEST_LINE);
        }
        let longest = ready.iter().map(|line| if let Line::Out(text) = line { text.len() } else { 0 }).max();
        assert_eq!((ready.len(), longest), (13, Some(96 * 1024)));
    }
}
