//! A real TLS handshake on the same actor.

use std::fs;
use std::path::PathBuf;

use helios::app::Helios;
use helios::config::Config;
use helios::peer::{ConnectError, Peer, PeerOptions};
use helios::testing::TestServer;
use serde_json::json;

pub(crate) fn files(name: &str) -> (PathBuf, PathBuf) {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let path = |kind: &str| {
        std::env::temp_dir().join(format!("helios-tls-{name}-{}-{kind}.pem", std::process::id()))
    };
    let (cert, key) = (path("cert"), path("key"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

#[tokio::test]
async fn sockets_work_over_tls_as_without() {
    let (cert, key) = files("works");
    let (for_server, for_peer) = ((cert.clone(), key.clone()), cert.clone());
    let server = TestServer::start_with(
        move |config| {
            config.gateway.tls.cert = for_server.0;
            config.gateway.tls.key = for_server.1;
        },
        |builder| builder,
    );
    assert!(server.ws_url().starts_with("wss://"));
    for msgpack in [false, true] {
        let options = PeerOptions { ca: Some(for_peer.clone()), msgpack, ..PeerOptions::default() };
        let mut peer = server.connect(&options).await;
        peer.receive().await.unwrap();
        // Larger than a TLS record and than any socket buffer.
        let data = json!("x".repeat(900_000));
        assert_eq!(peer.request("demo:echo", &data).await.unwrap(), data);
        for n in 0..100 {
            assert_eq!(peer.request("demo:echo", &json!(n)).await.unwrap(), json!(n));
        }
        peer.close().await.unwrap();
    }
    let stranger = Peer::connect(server.ws_url(), &PeerOptions::default()).await;
    assert!(matches!(stranger, Err(ConnectError::Unreachable { .. })), "an unknown authority is not trusted");
    [cert, key].iter().for_each(|path| fs::remove_file(path).unwrap());
}

#[test]
fn wrong_files_are_named() {
    let (cert, key) = files("wrong");
    let (_, other) = files("other");
    let empty = std::env::temp_dir().join(format!("helios-tls-{}-empty.pem", std::process::id()));
    fs::write(&empty, "nothing").unwrap();
    let missing = PathBuf::from("no/such/file.pem");
    for (cert, key, text) in [
        (&missing, &key, "no/such/file.pem cannot be read as a PEM file with a certificate"),
        (&cert, &missing, "no/such/file.pem cannot be read as a PEM file with a private key"),
        (&empty, &key, "holds no certificate"),
        (&cert, &other, "the certificate and the key do not work together"),
    ] {
        let mut config = Config::default();
        config.gateway.listen.set_port(0);
        config.store.data_dir = std::env::temp_dir();
        (config.gateway.tls.cert, config.gateway.tls.key) = (cert.clone(), key.clone());
        let started = actix_rt::System::new().block_on(Helios::builder().config(config).start());
        let problem = started.map(drop).expect_err("it does not start").to_string();
        assert!(problem.contains(text), "{problem}");
    }
}
