//! The port of the store as a port: encryption, who may open it to whom, and its end.

use std::sync::Arc;
use std::time::Duration;

use helios::gateway::AtlasOptions;
use helios::testing::TestServer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::files;
use crate::wait::until;

#[tokio::test]
async fn it_speaks_tls() {
    let (cert, key) = files("atlas");
    let paths = (cert.clone(), key.clone());
    let server = TestServer::start_with(
        move |config| {
            config.atlas.listen = "127.0.0.1:0".into();
            (config.atlas.tls.cert, config.atlas.tls.key) = paths;
        },
        |builder| builder,
    );
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let value = "x".repeat(100_000);
    let sent = format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n{value}\r\nSTRLEN a\r\nQUIT\r\n");
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "+OK\r\n:100000\r\n+OK\r\n");
    [cert, key].iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn it_is_opened_to_others_only_with_a_password_or_tls() {
    let problems = |listen: &str, password: &str| {
        let options = AtlasOptions { listen: listen.into(), password: password.into(), ..Default::default() };
        options.problems().into_iter().map(|(key, text)| format!("{key}: {text}")).collect::<Vec<_>>()
    };
    assert_eq!(problems("", ""), [""; 0]);
    assert_eq!(problems("127.0.0.1:6379", ""), [""; 0]);
    assert_eq!(problems("[::1]:6379", ""), [""; 0]);
    assert_eq!(problems("0.0.0.0:6379", "secret"), [""; 0]);
    assert_eq!(
        problems("0.0.0.0:6379", ""),
        ["listen: 0.0.0.0:6379 can be reached by others: set a password, accounts or TLS"]
    );
    assert!(problems("6379", "")[0].starts_with("listen: \"6379\" is not an address and a port"));
}

#[tokio::test]
async fn a_silent_connection_is_closed_if_that_is_wished() {
    let server = TestServer::start_with(
        |config| {
            config.atlas.listen = "127.0.0.1:0".into();
            config.atlas.idle_timeout = helios::base::Span::millis(50);
        },
        |builder| builder,
    );
    let mut stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, "+PONG\r\n");
    let atlas = &server.metrics().atlas;
    assert_eq!(atlas.connections_refused.with_label_values(&["idle"]).get(), 1);
    until("it is counted out", || atlas.connections.get() == 0).await;
}

#[tokio::test]
async fn at_the_end_what_was_asked_is_answered_and_connections_are_closed() {
    let mut server = TestServer::start_with(|config| config.atlas.listen = "127.0.0.1:0".into(), |b| b);
    let mut stream = TcpStream::connect(server.atlas_address().unwrap()).await.unwrap();
    stream.write_all(b"SET a 1\r\n").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    let drained = server.drain();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!((&answer, rest.as_slice()), (b"+OK\r\n", &b""[..]));
    tokio::task::spawn_blocking(move || drained.recv()).await.unwrap().unwrap();
}
