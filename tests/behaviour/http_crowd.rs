//! One client that takes all it can get: HTTP goes on for the others, and for health checks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use helios::testing::TestServer;
use serde_json::json;

use crate::rest::call;

fn server() -> TestServer {
    TestServer::start_with(
        |config| {
            config.gateway.http_connections_max = 32;
            config.gateway.http_connections_per_address = 24;
            config.gateway.http_waiting_max = 64;
            config.gateway.write_timeout = helios::base::Span::secs(3);
        },
        |builder| builder,
    )
}

/// Connections that each send a request, and read only as much of the answer as is said.
fn crowd(server: &TestServer, count: usize, request: &str, read: bool) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = stream.write_all(request.as_bytes());
        if read {
            let _ = stream.read(&mut [0; 4_096]);
        }
        stream
    };
    (0..count).map(open).collect()
}

async fn is_there(server: &TestServer) {
    let begin = Instant::now();
    assert_eq!(call(server, "GET", "/health", "", None, &[]).await.status, 200);
    server.peer().await;
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn idle_connections_give_way() {
    let server = server();
    let _idle = crowd(&server, 60, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n", true);
    is_there(&server).await;
    let answer = call(&server, "POST", "/api/v1/rpc/demo:echo", "", Some(&json!(1)), &[]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn silent_connections_give_way() {
    let server = server();
    let _silent = crowd(&server, 60, "", false);
    is_there(&server).await;
}

#[tokio::test]
async fn whoever_reads_nothing_gives_way() {
    let server = server();
    let requests = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(4);
    let _stuck = crowd(&server, 60, &requests, false);
    is_there(&server).await;
}

#[tokio::test]
async fn long_polls_are_counted_apart_and_bounded() {
    let server = server();
    let body = json!({ "worker_id": "w", "types": ["none"], "max": 1, "wait": 30 }).to_string();
    let length = body.len();
    let request = format!(
        "POST /api/v1/jobs/lease HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let waiting = crowd(&server, 60, &request, false);
    is_there(&server).await;
    let answered = waiting.iter().filter_map(|mut stream| {
        let mut head = [0; 64];
        let read = stream.read(&mut head).ok()?;
        Some(String::from_utf8_lossy(&head[..read]).into_owned())
    });
    let refused = answered.filter(|head| head.contains(" 503 ") || head.contains(" 409 ") || head.is_empty());
    assert!(refused.count() >= 20, "one address has half of the places");
    let answer = call(&server, "POST", "/api/v1/rpc/demo:echo", "", Some(&json!(1)), &[]).await;
    assert_eq!(answer.status, 200);
}
