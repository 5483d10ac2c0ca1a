//! Where log lines go: into a bounded queue, and from there to standard output by a thread of its own.
//!
//! A log that cannot be written must not stop the server: neither a full disk, nor a reader that is gone, nor a pipe that
//! nobody reads. What does not fit into the queue is dropped, counted, and told with the next line that gets through.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written.
const LINES_MAX: usize = 8_192;

/// Lines longer than this are cut: the queue is bounded in bytes too.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// How long the end of the process waits for lines that still wait.
const FLUSH: Duration = Duration::from_secs(1);

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Log lines of this process that were dropped, because they came faster than they could be written or could not be
/// written at all.
pub fn log_lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Order {
    Line(Vec<u8>),
    /// Answered once everything before it is written.
    Flush(Sender<()>),
}

/// Gives each line a writer. Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct LogQueue(SyncSender<Order>);

impl LogQueue {
    /// Starts the thread that writes to `out`. `notice` makes the line that tells how many were dropped.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let writer = move || write(&receiver, out, notice);
        thread::Builder::new().name("log".into()).spawn(writer)?;
        Ok(Self(sender))
    }

    /// Waits until what was logged is written, but not for long.
    pub(super) fn flush(&self) {
        let (begin, (done, flushed)) = (Instant::now(), channel());
        let mut order = Order::Flush(done);
        while let Err(TrySendError::Full(back)) = self.0.try_send(order) {
            if begin.elapsed() >= FLUSH {
                return;
            }
            order = back;
            // Whoever waits here ends the process; nobody else is held up.
            thread::park_timeout(Duration::from_millis(1));
        }
        let _: Result<(), RecvTimeoutError> = flushed.recv_timeout(FLUSH.saturating_sub(begin.elapsed()));
    }
}

fn write(lines: &Receiver<Order>, mut out: impl Write, notice: impl Fn(u64) -> String) {
    let mut told = log_lines_dropped();
    while let Ok(order) = lines.recv() {
        match order {
            Order::Line(line) => {
                let dropped = log_lines_dropped();
                if dropped > told && out.write_all(notice(dropped - told).as_bytes()).is_ok() {
                    told = dropped;
                }
                // A full disk, or a reader that is gone: the next line may fare better.
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    DROPPED.fetch_add(1, Ordering::Relaxed);
                }
            }
            Order::Flush(done) => drop(done.send(())),
        }
    }
}

/// One line on its way into the queue.
pub(super) struct LogLine {
    queue: SyncSender<Order>,
    line: Vec<u8>,
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine { queue: self.0.clone(), line: Vec::new() }
    }
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        if line.len() == LINE_BYTES_MAX {
            line.extend_from_slice(b"...\n");
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Order::Line(line))
        {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::{Condvar, Mutex};

    use super::*;

    /// A pipe that nobody reads until it is opened.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Inside>);

    #[derive(Default)]
    struct Inside {
        opened: Mutex<bool>,
        changed: Condvar,
        taken: Mutex<Vec<u8>>,
    }

    impl Pipe {
        fn open(&self) {
            *self.0.opened.lock() = true;
            self.0.changed.notify_all();
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.changed.wait_while(&mut self.0.opened.lock(), |opened| !*opened);
            self.0.taken.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_is_never_held_up_and_what_is_dropped_is_told() {
        let pipe = Pipe::default();
        let queue = LogQueue::start(pipe.clone(), |lines| format!("{lines} lines were dropped\n")).unwrap();
        let before = log_lines_dropped();
        for number in 0..LINES_MAX * 2 {
            writeln!(queue.make_writer(), "line {number}").unwrap();
        }
        let dropped = log_lines_dropped() - before;
        assert!((LINES_MAX as u64 - 1..=LINES_MAX as u64).contains(&dropped), "{dropped}");
        pipe.open();
        queue.flush();
        writeln!(queue.make_writer(), "the last").unwrap();
        queue.flush();
        let text = String::from_utf8(pipe.0.taken.lock().clone()).unwrap();
        assert!(text.starts_with("line 0\n") && text.ends_with("the last\n"));
        assert!(text.contains(&format!("{dropped} lines were dropped\n")), "{}", &text[text.len() - 200..]);
    }
}
