//! The handshake of a peer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::PeerError;
use crate::protocol::{Dialect, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, SUBPROTOCOL_RESUME};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How to connect.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Who connects: an access token or an API key, in the header of the handshake.
    pub credential: Option<Credential>,
    /// Asks for the compact codec.
    pub msgpack: bool,
    /// Says nothing of our extensions, as existing clients do. Excludes `msgpack`.
    pub plain: bool,
    /// Takes a session up again.
    pub resume: Option<Resume>,
    /// PEM file with the authority to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The `Origin` header that a browser would send.
    pub origin: Option<String>,
    /// How long to wait for the handshake and for each message.
    pub timeout: Duration,
}

/// An access token or an API key. It shows in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(pub String);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// What a session is taken up again with.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// The token that `starling:state` gave.
    pub token: String,
    /// The number of the last message that was handled; all that is kept is sent again without one.
    pub position: Option<u64>,
    /// A name that tells this client from others with the same token.
    pub instance: Option<String>,
    /// Which attempt of this client it is: one that was slow to arrive does not beat a later one.
    pub attempt: u64,
    /// The position of the last publication of each topic that was handled.
    pub topics: Option<BTreeMap<String, String>>,
    /// Where the token goes. Peers that know no extensions only have the URL.
    pub way: ResumeWay,
    /// An access token beside it, in the first message.
    pub access_token: Option<String>,
}

impl fmt::Debug for Resume {
    /// A token is as good as a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume")
            .field("way", &self.way)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Where a token goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ResumeWay {
    /// Into the first message.
    #[default]
    Message,
    /// Into the `Authorization` header.
    Header,
    /// Into the URL, as `?recover=`.
    Url,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            credential: None,
            msgpack: false,
            plain: false,
            resume: None,
            ca: None,
            origin: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address is no address, or nobody listens there.
    #[error("cannot connect to {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<tungstenite::Error>,
    },
    /// The server answered with something else than a socket.
    #[error("the server refused with status {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The headers of the answer.
        headers: Box<HeaderMap>,
        /// What it said.
        text: String,
    },
    /// The message that takes a session up could not be sent.
    #[error("the session cannot be taken up")]
    Resume(#[source] Box<PeerError>),
    /// The handshake took too long.
    #[error("the server did not answer within {0:?}")]
    Timeout(Duration),
    /// The authority's file is not usable.
    #[error("{} holds no usable certificate", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: AuthorityError,
    },
}

/// What is wrong with the file of an authority.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// It is no PEM file.
    #[error(transparent)]
    Pem(#[from] pem::Error),
    /// Its content is not trusted.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

pub(super) async fn connect(url: &str, options: &PeerOptions) -> Result<(Socket, Dialect), ConnectError> {
    let unreachable = |source: tungstenite::Error| match source {
        tungstenite::Error::Http(answer) => {
            let text = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let (status, text) = (answer.status(), text.trim_end().to_owned());
            ConnectError::Refused { status, headers: Box::new(answer.headers().clone()), text }
        }
        other => ConnectError::Unreachable { url: url.to_owned(), source: Box::new(other) },
    };
    let resume = options.resume.as_ref();
    let way = |wanted: ResumeWay| resume.filter(|resume| resume.way == wanted);
    let with_token = way(ResumeWay::Url).map(|resume| {
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}recover={}", resume.token)
    });
    let mut request = with_token.as_deref().unwrap_or(url).into_client_request().map_err(unreachable)?;
    let headers = request.headers_mut();
    if !options.plain {
        let codec = if options.msgpack { SUBPROTOCOL_MSGPACK } else { SUBPROTOCOL_JSON };
        let wanted = match way(ResumeWay::Message) {
            Some(_) => format!("{codec}, {SUBPROTOCOL_RESUME}"),
            None => codec.to_owned(),
        };
        put(headers, SEC_WEBSOCKET_PROTOCOL, &wanted);
    }
    if let Some(resume) = way(ResumeWay::Header) {
        put(headers, AUTHORIZATION, &format!("Bearer {}", resume.token));
        if let Some(position) = resume.position {
            put(headers, HeaderName::from_static("starling-position"), &position.to_string());
        }
        if let Some(instance) = &resume.instance {
            put(headers, HeaderName::from_static("starling-instance"), instance);
            put(headers, HeaderName::from_static("starling-attempt"), &resume.attempt.to_string());
        }
    }
    match &options.credential {
        Some(Credential(key)) if key.starts_with("hk_") => {
            put(headers, HeaderName::from_static("x-api-key"), key);
        }
        Some(Credential(token)) => put(headers, AUTHORIZATION, &format!("Bearer {token}")),
        None => {}
    }
    if let Some(origin) = options.origin.as_deref().and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(ORIGIN, origin);
    }
    let connector = options.ca.as_ref().map(trusting).transpose()?;
    let connecting = connect_async_tls_with_config(request, None, true, connector);
    let connected = timeout(options.timeout, connecting).await;
    let (socket, answer) =
        connected.map_err(|_| ConnectError::Timeout(options.timeout))?.map_err(unreachable)?;
    let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|name| name.to_str().ok());
    Ok((socket, chosen.and_then(Dialect::of_subprotocol).unwrap_or(Dialect::EXISTING)))
}

/// Sets a header; what no header can carry is left out, and missed by the server.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn trusting(path: &PathBuf) -> Result<Connector, ConnectError> {
    let wrong = |source: AuthorityError| ConnectError::Authority { path: path.clone(), source };
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.into()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.into()))?;
        roots.add(certificate).map_err(|error| wrong(error.into()))?;
    }
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(Connector::Rustls(Arc::new(config)))
}
