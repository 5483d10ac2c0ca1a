//! A real process, killed with SIGKILL at random moments, and a real disk that is full.
//!
//! `HELIOS_RUNS=1000` is what `make soak` asks for.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use helios::base::Random;

use crate::seeds;

const CLIENTS: usize = 4;

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(directory: &Path, mode: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
        command.args(["atlas", "--listen", "127.0.0.1:0", "--sync-mode", mode, "--data-dir"]).arg(directory);
        // Small, so that segments and snapshots come and go under the kills.
        command.env("HELIOS__STORE__SEGMENT_BYTES", "8KiB");
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let found = lines.find_map(|line| line.ok()?.split_once("Port").map(|(_, it)| it.trim().to_owned()));
        let address = found.unwrap_or_else(|| panic!("it ended with {}", child.wait().unwrap()));
        Self { child, address }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client(BufReader::new(stream))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// Sends commands, and reads as many lines as their answers have. `None` once the server is gone.
    fn ask(&mut self, commands: &str, lines: usize) -> Option<Vec<String>> {
        self.0.get_mut().write_all(commands.as_bytes()).ok()?;
        let read = |_| {
            let mut line = String::new();
            self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
            Some(line.trim_end().to_owned())
        };
        (0..lines).map(read).collect()
    }

    fn number(&mut self, key: &str) -> u64 {
        match self.ask(&format!("EXISTS {key}\r\n"), 1).unwrap()[0].as_str() {
            ":1" => self.ask(&format!("GET {key}\r\n"), 2).unwrap()[1].parse().unwrap(),
            _ => 0,
        }
    }
}

/// What one client has sent, and what of it was answered.
#[derive(Default)]
struct Count {
    sent: AtomicU64,
    answered: AtomicU64,
}

/// Counts up: a pair of keys in one transaction, with something that ends beside it.
fn write(mut client: Client, name: usize, count: &Count) {
    loop {
        let next = count.sent.load(Ordering::SeqCst) + 1;
        count.sent.store(next, Ordering::SeqCst);
        let commands = format!(
            "MULTI\r\nSET left{name} {next}\r\nSET right{name} {next}\r\nSET ends{name} {next} PX 5\r\nEXEC\r\n"
        );
        let Some(lines) = client.ask(&commands, 8) else { return };
        assert_eq!(lines[7], "+OK", "{lines:?}");
        count.answered.store(next, Ordering::SeqCst);
    }
}

#[test]
fn kill_9_at_any_moment_loses_nothing_that_was_answered() {
    let mut directory = tempfile::tempdir().unwrap();
    let mut counts: Vec<Count> = (0..CLIENTS).map(|_| Count::default()).collect();
    let mut answered = 0;
    for seed in seeds(200) {
        let mut random = Random::seeded(seed);
        let mode = ["every", "interval", "none"][random.next_u64() as usize % 3];
        if seed % 25 == 24 {
            directory = tempfile::tempdir().unwrap();
            counts = (0..CLIENTS).map(|_| Count::default()).collect();
        }
        let mut server = Server::start(directory.path(), mode);
        let mut client = server.connect();
        for (name, count) in counts.iter().enumerate() {
            let (left, right) =
                (client.number(&format!("left{name}")), client.number(&format!("right{name}")));
            let (sent, known) = (count.sent.load(Ordering::SeqCst), count.answered.load(Ordering::SeqCst));
            assert_eq!(left, right, "seed {seed}: half a transaction");
            assert!((known..=sent).contains(&left), "seed {seed}: {left} is not between {known} and {sent}");
            count.sent.store(left, Ordering::SeqCst);
        }
        std::thread::scope(|scope| {
            for (name, count) in counts.iter().enumerate() {
                let client = server.connect();
                scope.spawn(move || write(client, name, count));
            }
            let life = Duration::from_micros(random.next_u64() % 30_000);
            let begin = Instant::now();
            while begin.elapsed() < life {
                if random.next_u64().is_multiple_of(8) {
                    client.ask("BGSAVE\r\n", 1);
                }
                std::thread::park_timeout(Duration::from_millis(5).min(life.saturating_sub(begin.elapsed())));
            }
            server.kill();
        });
        answered += counts.iter().map(|count| count.answered.load(Ordering::SeqCst)).max().unwrap_or(0);
    }
    assert!(answered > 0, "something was written");
}

/// A server on a small disk of its own, with something on it that can be taken away.
fn on_a_small_disk(directory: &Path) -> Option<Server> {
    let usable = Command::new("unshare").args(["-r", "-m", "true"]).status().is_ok_and(|it| it.success());
    if !usable {
        println!("not run: there is no unshare, or it may not make a mount");
        return None;
    }
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && head -c 600000 /dev/zero > \"$1/ballast\" && \
                  exec \"$2\" atlas --listen 127.0.0.1:0 --data-dir \"$1/data\"";
    let mut command = Command::new("unshare");
    command.args(["-r", "-m", "sh", "-c", script, "sh"]).arg(directory).arg(env!("CARGO_BIN_EXE_helios"));
    Some(Server::spawn(command))
}

#[test]
fn a_disk_that_is_really_full_refuses_writes_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = on_a_small_disk(directory.path()) else { return };
    let mut client = server.connect();
    let value = "x".repeat(20_000);
    let mut written = 0;
    let refused = loop {
        let answer = client.ask(&format!("SET key{written} {value}\r\n"), 1).unwrap().remove(0);
        if answer != "+OK" {
            break answer;
        }
        written += 1;
        assert!(written < 1_000, "the disk is full at some time");
    };
    assert!(refused.starts_with("-MISCONF the disk is full"), "{refused}");
    assert_eq!(client.ask("DBSIZE\r\n", 1).unwrap(), [format!(":{written}")], "reads go on");
    let both = client.ask("SET small 1\r\nEXISTS key0\r\n", 2).unwrap();
    assert!(both[0].starts_with("-MISCONF"), "until it has healed");
    assert_eq!(both[1], ":1", "reads beside it go on");
    let ballast = format!("/proc/{}/root{}/ballast", server.child.id(), directory.path().display());
    std::fs::remove_file(ballast).unwrap();
    let begin = Instant::now();
    while client.ask("SET after 1\r\n", 1).unwrap()[0] != "+OK" {
        assert!(begin.elapsed() < Duration::from_secs(20), "it heals");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(client.ask("DBSIZE\r\n", 1).unwrap(), [format!(":{}", written + 1)]);
}
