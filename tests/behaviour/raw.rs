//! A WebSocket client that does what a well-behaved one would not.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wait::PATIENCE;

/// A raw socket after the handshake.
pub(crate) struct RawSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A frame of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// The head of a handshake.
pub(crate) fn handshake(path: &str, extra: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

/// A masked frame; `first` holds FIN, reserved bits and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let key = [7, 77, 177, 17];
    bytes.extend(key);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
    bytes
}

impl RawSocket {
    /// Connects and shakes hands on `path`.
    pub(crate) async fn open(address: &str, path: &str) -> Self {
        Self::open_with(address, &handshake(path, ""), &[]).await
    }

    /// Sends a head of its own and `early` bytes in the same write, and reads the answer's head.
    pub(crate) async fn open_with(address: &str, head: &str, early: &[u8]) -> Self {
        let mut socket = Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() };
        socket.write(&[head.as_bytes(), early].concat()).await;
        let answer = socket.read_head().await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert!(answer.to_lowercase().contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        socket
    }

    /// Sends a head and gives all that is answered until the server closes.
    pub(crate) async fn refused(address: &str, head: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Writes as much as the server takes within a moment. Gives the number of bytes.
    pub(crate) async fn write_until_stuck(&mut self, bytes: &[u8], moment: Duration) -> usize {
        let mut written = 0;
        while let Ok(Ok(count)) = timeout(moment, self.stream.write(&bytes[written..])).await {
            written += count;
            if written == bytes.len() {
                break;
            }
        }
        written
    }

    async fn read_head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill().await > 0, "the server closed: {}", String::from_utf8_lossy(&self.buffer));
        }
    }

    async fn fill(&mut self) -> usize {
        timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
            .await
            .expect("the server says something")
            .unwrap_or(0)
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, used)) = parse(&self.buffer) {
                self.buffer.drain(..used);
                return Some(frame);
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// The code of the close frame that must come next, after which the stream must end.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let frame = self.frame().await.expect("a close frame");
        assert_eq!(frame.opcode, 8, "{frame:?}");
        assert_eq!(self.frame().await, None, "nothing comes after a close frame");
        if frame.payload.is_empty() { 1005 } else { u16::from_be_bytes([frame.payload[0], frame.payload[1]]) }
    }
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (start, len) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize),
        len => (2, usize::from(len)),
    };
    let payload = bytes.get(start..start + len)?.to_vec();
    assert_eq!(bytes[0] & 0x70, 0, "reserved bits");
    Some((Frame { opcode: bytes[0] & 0x0f, payload }, start + len))
}
