//! What a session costs a peer that only echoes. The question: how much processor time of the server does an echo
//! take with a token, so that its answer is kept until it is acknowledged, against one without? Expected: at most a
//! tenth more. And with a method that is not idempotent, how long does a call take that waits for the disk twice?
//!
//! The server is the release binary in a process of its own; both ways alternate in one run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 8;
const DEPTH: usize = 16;
const ROUNDS: usize = 4_000;
const RUNS: usize = 9;
/// As often as the JavaScript client acknowledges at most.
const ACK_EACH: usize = 64;

struct Server {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // A processor for the server and one for the load: `taskset -c 1 cargo bench --bench sessions`.
        let mut command = Command::new("taskset");
        command.args(["-c", "0", env!("CARGO_BIN_EXE_helios")]);
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory.path());
        let mut child = command
            .env("HELIOS__GATEWAY__WORKERS", "1")
            .env("HELIOS__KV__EVERYONE", "true")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let found = lines.find_map(|line| line.split_once("ws://").map(|(_, it)| it.to_owned()));
        let address = found.unwrap().split('/').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _directory: directory }
    }

    /// Processor time that it has taken.
    fn processor(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = |task: std::io::Result<std::fs::DirEntry>| {
            let schedstat = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            schedstat.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        Duration::from_nanos(tasks.map(nanos).sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A socket with nothing around it: frames are written with a mask of zeros and read by their length.
struct Socket {
    stream: BufReader<TcpStream>,
    received: usize,
}

impl Socket {
    fn open(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: helios-starling.v1\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut socket = Self { stream: BufReader::new(stream), received: 0 };
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            socket.stream.read_line(&mut line).unwrap();
        }
        assert!(socket.read().contains("\"hello\""));
        socket
    }

    fn read(&mut self) -> String {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                self.stream.read_exact(&mut long).unwrap();
                usize::from(u16::from_be_bytes(long))
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        String::from_utf8(payload).unwrap()
    }

    fn write(&mut self, frames: &[u8]) {
        self.stream.get_mut().write_all(frames).unwrap();
    }
}

fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length if length < 126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

fn request(number: usize, method: &str, payload: &str) -> Vec<u8> {
    frame(&format!(
        "{{\"protocol\":\"helios-starling\",\"version\":\"1.0.0\",\"timestamp\":1795223929326,\"type\":\"request\",\
         \"requestId\":\"e996f0d2-4115-4a64-b77f-{number:012x}\",\"method\":\"{method}\",\"payload\":{payload}}}"
    ))
}

fn acknowledgement(number: usize) -> Vec<u8> {
    frame(&format!(
        "{{\"protocol\":\"helios-starling\",\"version\":\"1.0.0\",\"timestamp\":1795223929326,\"type\":\"notification\",\
         \"requestId\":null,\"notification\":{{\"topic\":\"starling:ack\",\"data\":{number}}}}}"
    ))
}

/// Processor time of the server for one echo.
fn echo(server: &Server, with_token: bool) -> f64 {
    let mut sockets: Vec<Socket> = (0..CONNECTIONS).map(|_| Socket::open(&server.address)).collect();
    if with_token {
        for socket in &mut sockets {
            socket.write(&request(0xffff, "starling:state", "null"));
            assert!(socket.read().contains("\"token\""));
            socket.received += 1;
        }
    }
    let batch: Vec<u8> = (0..DEPTH).flat_map(|n| request(n, "demo:echo", "{\"n\":1234567}")).collect();
    let mut went = Duration::ZERO;
    for round in 0..ROUNDS + ROUNDS / 10 {
        // The first tenth warms up.
        if round == ROUNDS / 10 {
            went = server.processor();
        }
        for socket in &mut sockets {
            socket.write(&batch);
        }
        for socket in &mut sockets {
            for _ in 0..DEPTH {
                let answer = socket.read();
                assert!(answer.contains("\"success\":true") && answer.contains("1234567"), "{answer}");
                socket.received += 1;
            }
            if with_token && socket.received % ACK_EACH < DEPTH {
                let acknowledged = acknowledgement(socket.received);
                socket.write(&acknowledged);
            }
        }
    }
    (server.processor() - went).as_secs_f64() * 1e6 / (ROUNDS * CONNECTIONS * DEPTH) as f64
}

/// Median and 99th percentile of a call that is not idempotent, one after the other.
fn call(server: &Server, with_token: bool) -> (Duration, Duration) {
    let mut socket = Socket::open(&server.address);
    if with_token {
        socket.write(&request(0xffff, "starling:state", "null"));
        socket.read();
    }
    let mut times: Vec<Duration> = (0..1_000)
        .map(|number| {
            let sent = request(number, "demo:progress", "{\"steps\":1}");
            let begin = Instant::now();
            socket.write(&sent);
            while !socket.read().contains("\"response\"") {}
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn main() {
    let server = Server::start();
    let mut ratios = Vec::new();
    for run in 1..=RUNS {
        let (without, with) = (echo(&server, false), echo(&server, true));
        ratios.push(with / without);
        println!(
            "run {run}: {without:.2} µs an echo without a token, {with:.2} µs with one ({:.2}x)",
            with / without
        );
    }
    ratios.sort_unstable_by(f64::total_cmp);
    println!("median: {:.2}x", ratios[RUNS / 2]);
    for with_token in [false, true] {
        let (median, p99) = call(&server, with_token);
        println!("a call that is not idempotent, token {with_token}: p50 {median:.1?}, p99 {p99:.1?}");
    }
}
