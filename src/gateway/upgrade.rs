//! The door: a WebSocket handshake that is accepted leaves HTTP and becomes a connection actor.

use std::io;
use std::pin::Pin;

use actix_codec::{AsyncWrite, Framed};
use actix_http::body::BodySize;
use actix_http::h1::{Codec, Message};
use actix_http::header::{CONTENT_TYPE, HeaderValue, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use actix_http::ws::{self, HandshakeError};
use actix_http::{HttpMessage, Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use tokio::time::timeout;

use super::client_address::client_address;
use super::http_sockets::InHttp;
use super::serve::Surroundings;
use super::{identity, same_origin, token};
use crate::base::Origins;
use crate::protocol::{Dialect, SUBPROTOCOL_RESUME};
use crate::starling::{Connection, DrainPhase, Place, Refusal, SessionService, Transport};

/// Why a handshake is refused: the metric's label, the answer's status and text, and when to try again.
struct Refused {
    reason: &'static str,
    status: StatusCode,
    text: String,
    retry_after_s: Option<u64>,
}

impl Refused {
    fn new(reason: &'static str, status: StatusCode, text: impl Into<String>) -> Self {
        Self { reason, status, text: text.into(), retry_after_s: None }
    }

    fn retry(mut self, after_s: u64) -> Self {
        self.retry_after_s = Some(after_s);
        self
    }
}

/// Answers a request that asks for an upgrade.
pub(super) async fn upgrade<T: Transport>(
    around: Surroundings,
    request: Request,
    framed: Framed<InHttp<T>, Codec>,
) -> Result<(), actix_http::Error> {
    if let Err(error) = open(around, request, framed).await {
        tracing::debug!(%error, "a handshake broke off");
    }
    Ok(())
}

async fn open<T: Transport>(
    around: Surroundings,
    request: Request,
    mut framed: Framed<InHttp<T>, Codec>,
) -> io::Result<()> {
    let _work = framed.io_ref().socket.begin();
    let (response, wanted) = match accept(&around, &request) {
        Ok(accepted) => accepted,
        Err(refused) => return refuse(&around, framed, refused).await,
    };
    let address = client_address(request.peer_addr(), request.headers(), &around.proxies);
    let place = match admit(&around, address).await {
        Ok(place) => place,
        Err(refused) => return refuse(&around, framed, refused).await,
    };
    let service = match serve(&around, &request, wanted, place).await {
        Ok(service) => service,
        Err(refused) => return refuse(&around, framed, refused).await,
    };
    let head = Message::Item((response, BodySize::None));
    let limit = around.shared.options.handshake_timeout.get();
    if let Err(error) = timeout(limit, framed.send(head)).await.unwrap_or_else(|late| Err(late.into())) {
        service.abandon();
        return Err(error);
    }
    let parts = framed.into_parts();
    let early = BytesMut::from(&parts.read_buf[..]);
    let Some(io) = parts.io.into_inner() else { return Err(io::ErrorKind::NotConnected.into()) };
    Connection::start_on((io, address), early, service, &around.shared.options, &around.shared.metrics);
    Ok(())
}

/// What a peer has asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    dialect: Dialect,
    /// Its first message brings a token.
    resumes: bool,
}

/// Finds the session. The peer hears nothing and can say nothing before that is done.
async fn serve(
    around: &Surroundings,
    request: &Request,
    wanted: Wanted,
    place: Place,
) -> Result<SessionService, Refused> {
    let (starlings, Wanted { dialect, resumes }) = (&around.starlings, wanted);
    let query = request.uri().query().unwrap_or_default();
    let header =
        |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
    let principal = identity::principal(&around.shared, query, &header, false)
        .map_err(|error| Refused::new("credentials", StatusCode::UNAUTHORIZED, error.to_string()))?;
    let opened = match token::claim_of(request) {
        Some(claim) => starlings.claimed(&claim, dialect, principal).await,
        None if resumes => {
            return Ok(SessionService::announced(dialect, principal, starlings.clone(), place));
        }
        None => starlings.fresh(dialect, principal),
    };
    Ok(SessionService::new(opened, starlings.clone(), place))
}

/// Checks the handshake and chooses the dialect.
fn accept(around: &Surroundings, request: &Request) -> Result<(Response<()>, Wanted), Refused> {
    if around.is_route(request.path()) {
        let text = format!("{} is an HTTP route; connect to / or /ws", request.path());
        return Err(Refused::new("route", StatusCode::BAD_REQUEST, text));
    }
    let mut handshake = ws::handshake(request.head()).map_err(|error| bad_handshake(&error))?;
    if around.shared.drain_phase() != DrainPhase::Running {
        let text = "the server is stopping";
        return Err(Refused::new("draining", StatusCode::SERVICE_UNAVAILABLE, text).retry(1));
    }
    let authority = same_origin::authority(request.uri(), request.headers());
    if !around.web.knows_host(authority) {
        let text = same_origin::unknown_host(authority);
        return Err(Refused::new("host", StatusCode::MISDIRECTED_REQUEST, text));
    }
    if let Some(origin) = request.headers().get(ORIGIN) {
        check_origin(&around.web.sockets, origin, authority)?;
    }
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let offered: Vec<&str> = offered.map(str::trim).collect();
    let chosen = offered.iter().find_map(|name| Dialect::of_subprotocol(name).map(|it| (name, it)));
    let Some((name, dialect)) = chosen else {
        let wanted = Wanted { dialect: Dialect::EXISTING, resumes: false };
        return Ok((handshake.finish().drop_body(), wanted));
    };
    handshake.insert_header((SEC_WEBSOCKET_PROTOCOL, *name));
    let wanted = Wanted { dialect, resumes: offered.contains(&SUBPROTOCOL_RESUME) };
    Ok((handshake.finish().drop_body(), wanted))
}

fn bad_handshake(error: &HandshakeError) -> Refused {
    let status = match error {
        HandshakeError::GetMethodRequired => StatusCode::METHOD_NOT_ALLOWED,
        HandshakeError::UnsupportedVersion | HandshakeError::NoVersionHeader => StatusCode::UPGRADE_REQUIRED,
        _ => StatusCode::BAD_REQUEST,
    };
    Refused::new("handshake", status, error.to_string())
}

fn check_origin(allowed: &Origins, origin: &HeaderValue, authority: Option<&str>) -> Result<(), Refused> {
    if allowed.allow(origin.to_str().unwrap_or_default(), authority) {
        return Ok(());
    }
    let text = "pages of this origin may not connect: see connections.origins, or start with --allow-origin";
    Err(Refused::new("origin", StatusCode::FORBIDDEN, text))
}

async fn admit(around: &Surroundings, address: Option<std::net::IpAddr>) -> Result<Place, Refused> {
    let Ok(admitted) = around.starlings.admit(address).await else {
        return Err(Refused::new("draining", StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"));
    };
    admitted.map_err(|refusal| {
        let text = refusal.to_string();
        match refusal {
            Refusal::Full => Refused::new("full", StatusCode::SERVICE_UNAVAILABLE, text).retry(5),
            Refusal::Address => Refused::new("address", StatusCode::TOO_MANY_REQUESTS, text).retry(5),
            Refusal::Rate { retry_after_ms } => {
                let refused = Refused::new("rate", StatusCode::TOO_MANY_REQUESTS, text);
                refused.retry(retry_after_ms.div_ceil(1_000).max(1))
            }
        }
    })
}

/// Answers over HTTP and closes.
async fn refuse<T: Transport>(
    around: &Surroundings,
    mut framed: Framed<InHttp<T>, Codec>,
    refused: Refused,
) -> io::Result<()> {
    around.shared.metrics.connections_refused.with_label_values(&[refused.reason]).inc();
    tracing::debug!(reason = refused.reason, "a connection is refused");
    let mut response = Response::build(refused.status);
    response.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).force_close();
    if let Some(seconds) = refused.retry_after_s {
        response.insert_header((RETRY_AFTER, seconds.to_string()));
    }
    if refused.status == StatusCode::UPGRADE_REQUIRED {
        response.insert_header(("sec-websocket-version", "13"));
    }
    let body = Bytes::from(refused.text + "\n");
    let head = response.finish().drop_body();
    let told = async {
        // In one write: a client that fails on the status reads no further for the reason.
        framed.feed(Message::Item((head, BodySize::Sized(body.len() as u64)))).await?;
        framed.feed(Message::Chunk(Some(body))).await?;
        framed.send(Message::Chunk(None)).await?;
        let mut io = framed.into_parts().io;
        std::future::poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await
    };
    // Whoever does not read the refusal does not get it.
    timeout(around.shared.options.handshake_timeout.get(), told).await.unwrap_or_else(|late| Err(late.into()))
}
