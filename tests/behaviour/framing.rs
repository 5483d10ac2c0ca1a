//! RFC 6455 on a real socket: what is answered, what ends the connection, and with which code.

use helios::testing::TestServer;

use crate::raw::{Frame, RawSocket, frame, handshake};

async fn open(server: &TestServer) -> RawSocket {
    RawSocket::open(server.address(), "/").await
}

/// Sends bytes to a fresh connection and gives the code that it is closed with.
async fn closed_with(server: &TestServer, bytes: &[u8]) -> u16 {
    let mut socket = open(server).await;
    socket.write(bytes).await;
    socket.close_code().await
}

fn echo(id: u32) -> Vec<u8> {
    let text = format!(
        r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"type":"request","requestId":"00000000-0000-4000-8000-{id:012}","method":"demo:echo","payload":{id}}}"#
    );
    text.into_bytes()
}

fn is_echo(frame: &Frame, id: u32) -> bool {
    let text = String::from_utf8_lossy(&frame.payload);
    frame.opcode == 1 && text.contains(&format!("{id:012}\",\"success\":true,\"data\":{id}}}"))
}

#[tokio::test]
async fn bytes_that_come_with_the_handshake_are_kept() {
    let server = TestServer::start();
    let early = [frame(0x81, &echo(1)), frame(0x81, &echo(2))].concat();
    let mut socket = RawSocket::open_with(server.address(), &handshake("/any/path?x=1", ""), &early).await;
    assert!(is_echo(&socket.frame().await.unwrap(), 1));
    assert!(is_echo(&socket.frame().await.unwrap(), 2));
}

#[tokio::test]
async fn fragments_are_joined_and_control_frames_may_come_between() {
    let server = TestServer::start();
    let mut socket = open(&server).await;
    let text = echo(7);
    let (left, right) = text.split_at(60);
    socket.write(&frame(0x01, left)).await;
    socket.write(&frame(0x89, b"alive?")).await;
    assert_eq!(socket.frame().await.unwrap(), Frame { opcode: 10, payload: b"alive?".to_vec() });
    socket.write(&frame(0x00, &right[..5])).await;
    for byte in frame(0x80, &right[5..]) {
        socket.write(&[byte]).await;
    }
    assert!(is_echo(&socket.frame().await.unwrap(), 7));
}

#[tokio::test]
async fn a_burst_in_one_packet_is_answered_in_full() {
    let server = TestServer::start();
    let mut socket = open(&server).await;
    let burst: Vec<u8> = (0..1_000).flat_map(|id| frame(0x81, &echo(id))).collect();
    socket.write(&burst).await;
    for id in 0..1_000 {
        assert!(is_echo(&socket.frame().await.unwrap(), id), "{id}");
    }
}

#[tokio::test]
async fn broken_framing_is_closed_with_1002() {
    let server = TestServer::start();
    let unmasked = [0x81, 2, b'h', b'i'];
    for (what, bytes) in [
        ("no mask", &unmasked[..]),
        ("reserved bit 1", &frame(0xC1, b"x")),
        ("reserved bit 3", &frame(0x91, b"x")),
        ("reserved opcode 3", &frame(0x83, b"")),
        ("reserved opcode 15", &frame(0x8F, b"")),
        ("a fragmented ping", &frame(0x09, b"")),
        ("a long ping", &frame(0x89, &[0; 126])),
        ("a continuation of nothing", &frame(0x80, b"x")),
        ("a message inside a message", &[frame(0x01, b"x"), frame(0x81, b"y")].concat()),
        ("a close frame of one byte", &frame(0x88, &[3])),
        ("close code 1005", &frame(0x88, &1005_u16.to_be_bytes())),
        ("close code 999", &frame(0x88, &999_u16.to_be_bytes())),
    ] {
        assert_eq!(closed_with(&server, bytes).await, 1002, "{what}");
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    let server = TestServer::start();
    for (what, bytes) in [
        ("a bad byte", &frame(0x81, b"a\xffb")[..]),
        ("a surrogate", &frame(0x81, b"\xed\xa0\x80")),
        ("half a character at the end", &frame(0x81, b"\xe2\x82")),
        ("a bad byte in the first of two fragments", &frame(0x01, b"\xc0\xaf")),
        ("a bad byte in a close reason", &frame(0x88, b"\x03\xe8\xff")),
    ] {
        assert_eq!(closed_with(&server, bytes).await, 1007, "{what}");
    }
    let mut socket = open(&server).await;
    socket.write(&frame(0x01, b"{\"a\":\"\xe2\x82")).await;
    socket.write(&frame(0x80, b"\xac\"}")).await;
    socket.write(&frame(0x81, &echo(1))).await;
    assert!(is_echo(&socket.frame().await.unwrap(), 1), "a character across fragments is fine");
}

#[tokio::test]
async fn an_announced_monster_is_closed_with_1009_before_it_comes() {
    let server = TestServer::start();
    let head = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(closed_with(&server, &head).await, 1009);
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let server = TestServer::start();
    assert_eq!(closed_with(&server, &frame(0x88, b"")).await, 1005);
    for code in [1000_u16, 1001, 1003, 3000, 4999] {
        assert_eq!(closed_with(&server, &frame(0x88, &code.to_be_bytes())).await, code);
    }
    let mut socket = open(&server).await;
    let bytes = [frame(0x81, &echo(3)), frame(0x88, &1000_u16.to_be_bytes()), frame(0x81, &echo(4))].concat();
    socket.write(&bytes).await;
    assert!(is_echo(&socket.frame().await.unwrap(), 3), "what came before the close is answered");
    assert_eq!(socket.close_code().await, 1000);
}

#[tokio::test]
async fn an_empty_message_and_a_large_one_are_read() {
    let server = TestServer::start();
    let mut socket = open(&server).await;
    socket.write(&frame(0x81, b"")).await;
    socket.write(&frame(0x82, b"")).await;
    let data = "x".repeat(900_000);
    let text =
        String::from_utf8(echo(5)).unwrap().replace("\"payload\":5", &format!("\"payload\":\"{data}\""));
    socket.write(&frame(0x81, text.as_bytes())).await;
    let answer = socket.frame().await.unwrap();
    assert!(answer.payload.len() > data.len() && answer.payload.ends_with(b"xxx\"}"));
}

#[tokio::test]
async fn handshakes_that_are_none_get_the_right_status() {
    let server = TestServer::start();
    let head = handshake("/", "");
    for (what, head, status, text) in [
        ("POST", head.replace("GET", "POST"), "405", ""),
        ("version 12", head.replace("Version: 13", "Version: 12"), "426", "sec-websocket-version: 13"),
        ("no key", head.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), "400", ""),
        ("a short key", head.replace("dGhlIHNhbXBsZSBub25jZQ==", "abc"), "400", ""),
        ("a route", handshake("/metrics", ""), "400", "connect to / or /ws"),
    ] {
        let answer = RawSocket::refused(server.address(), &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {answer}");
        assert!(answer.contains(text), "{what}: {answer}");
    }
}

#[tokio::test]
async fn subprotocols_are_chosen_only_if_they_are_ours() {
    let server = TestServer::start();
    for (offered, chosen) in [
        ("", None),
        ("Sec-WebSocket-Protocol: chat, superchat\r\n", None),
        ("Sec-WebSocket-Protocol: chat, helios-starling.v1\r\n", Some("helios-starling.v1")),
        (
            "Sec-WebSocket-Protocol: helios-starling.v1.msgpack,helios-starling.v1\r\n",
            Some("helios-starling.v1.msgpack"),
        ),
        ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", None),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, handshake("/", offered).as_bytes()).await.unwrap();
        let mut answer = vec![0; 2_048];
        let count = tokio::io::AsyncReadExt::read(&mut stream, &mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]).to_lowercase();
        let line =
            answer.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: ").map(str::to_owned));
        assert_eq!(line.as_deref(), chosen, "{offered}");
        assert!(!answer.contains("extensions"), "{answer}");
    }
}
