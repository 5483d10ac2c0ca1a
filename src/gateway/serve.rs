//! Puts routes, door and listening socket together.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_codec::{AsyncRead, AsyncWrite};
use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, Protocol};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error, HttpRequest, Route, guard};
use socket2::{Domain, Socket, Type};

use super::api::{self, ApiRate};
use super::http_sockets::{self, HttpSockets, InHttp};
use super::options::GatewayOptions;
use super::problems::{method_not_allowed, not_found, upgrade_required};
use super::same_origin::{self, WebRules};
use super::tls::{self, TlsError as CertificateError};
use super::{compress, health, observe, pages, upgrade, v1};
use crate::base::Cidr;
use crate::starling::{Shared, Starlings};
use crate::store::{Store, hand_out_answers};

/// What routes and door work with.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What all sessions have in common.
    pub shared: Arc<Shared>,
    /// Everybody who is connected.
    pub starlings: Starlings,
    /// The store.
    pub store: Store,
    /// The options of the gateway.
    pub options: Arc<GatewayOptions>,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// How many universes there may be; without any, there is no `/api`.
    pub universes_max: Option<usize>,
    /// The connections that are in HTTP.
    pub(super) http: HttpSockets,
    /// Under which names, and for whose pages, it is there.
    pub(super) web: Arc<WebRules>,
    /// Proxies whose word about addresses counts.
    pub(super) proxies: Arc<[Cidr]>,
    /// Who has asked below `/api` how often.
    pub(super) api_rate: ApiRate,
    /// The description of the routes, once somebody has asked for it.
    pub(super) document: Arc<OnceLock<Box<str>>>,
}

/// Why the server could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] CertificateError),
    /// The workers could not be started.
    #[error("the worker threads cannot be started")]
    Start(#[source] io::Error),
}

/// A server that listens.
#[expect(missing_debug_implementations, reason = "the server of actix has none")]
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// To stop it.
    pub handle: ServerHandle,
    /// The server itself, to be awaited.
    pub server: Server,
}

/// Paths that HTTP answers. A WebSocket may ask for any other.
const ROUTES: [&str; 9] = [
    "/health",
    "/ready",
    "/metrics",
    "/helios.js",
    "/helios-core.js",
    "/helios-worker.js",
    "/live",
    "/universes",
    "/jobs",
];

impl Surroundings {
    /// What routes and door work with.
    pub fn new(
        shared: Arc<Shared>,
        starlings: Starlings,
        store: Store,
        options: Arc<GatewayOptions>,
        metrics: bool,
        universes_max: Option<usize>,
    ) -> Self {
        let api_rate = ApiRate::default();
        let document = Arc::default();
        let web = Arc::new(WebRules::new(&options, &shared.options.origins));
        let proxies = options.proxies().into();
        let http = HttpSockets::new(&options);
        Self {
            http,
            web,
            proxies,
            shared,
            starlings,
            store,
            options,
            metrics,
            universes_max,
            api_rate,
            document,
        }
    }

    /// Whether HTTP answers this path. `/` is both a page and a door.
    pub(super) fn is_route(&self, path: &str) -> bool {
        let folder = ["/playground/", "/api/", "/admin/", "/docs"].iter().any(|it| path.starts_with(it));
        ROUTES.contains(&path) || folder
    }
}

/// How long an HTTP connection may lie idle between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What a worker does with a socket that has its place. The socket's type differs with TLS, so this is a macro and no
/// function.
macro_rules! service {
    ($around:expr) => {{
        actix_rt::spawn(hand_out_answers());
        let door = $around.clone();
        HttpService::build()
            .client_request_timeout($around.shared.options.handshake_timeout.get())
            .keep_alive(KEEP_ALIVE)
            .on_connect_ext(|io: &InHttp<_>, data: &mut Extensions| {
                data.insert(Arc::clone(&io.socket));
            })
            .upgrade(fn_service(move |(request, framed)| upgrade::upgrade(door.clone(), request, framed)))
            .finish(map_config(app(&$around), |()| AppConfig::default()))
    }};
}

/// Gives a socket its place among those that are in HTTP.
async fn place<T: AsyncRead + AsyncWrite + Unpin>(
    around: Surroundings,
    io: T,
    protocol: Protocol,
    peer: Option<SocketAddr>,
) -> Result<(InHttp<T>, Protocol, Option<SocketAddr>), DispatchError> {
    let patience = around.shared.options.handshake_timeout.get();
    let socket = around.http.admit(peer.map(|peer| peer.ip()), patience).await.map_err(DispatchError::Io)?;
    Ok((InHttp::new(io, socket), protocol, peer))
}

/// Binds the address: before anything else, so that a server that cannot be reached touches nothing.
///
/// # Errors
/// If the address is taken, or not ours.
pub fn bind(options: &GatewayOptions) -> Result<TcpListener, ServeError> {
    let wrong = |source| ServeError::Bind { address: options.listen, source };
    bound(options.listen, options.backlog).map_err(wrong)
}

/// Starts the workers on an address that is bound.
///
/// # Errors
/// If TLS cannot be set up.
pub fn listen(around: &Surroundings, listener: TcpListener) -> Result<Listening, ServeError> {
    let options = Arc::clone(&around.options);
    let bind = |source| ServeError::Bind { address: options.listen, source };
    let address = listener.local_addr().map_err(bind)?;
    let workers = match options.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let builder = Server::build().disable_signals().shutdown_timeout(5).workers(workers);
    let builder = builder.max_concurrent_connections(HttpSockets::accepted_max(&options).div_ceil(workers));
    let around = around.clone();
    actix_rt::spawn(around.http.clone().tend());
    let builder = if options.tls.enabled() {
        let mut config = tls::server_config(&options.tls)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let handshake = around.shared.options.handshake_timeout.get();
        builder.listen("https", listener, move || {
            let mut acceptor = Acceptor::new(config.clone());
            acceptor.set_handshake_timeout(handshake);
            let placed = around.clone();
            acceptor
                .map_init_err(|_| ())
                .map_err(TlsError::into_service_error)
                .and_then(fn_service(move |io: TlsStream<TcpStream>| {
                    let (tcp, tls) = io.get_ref();
                    let h2 = tls.alpn_protocol().is_some_and(|name| name == b"h2");
                    let protocol = if h2 { Protocol::Http2 } else { Protocol::Http1 };
                    let _ = tcp.set_nodelay(true);
                    let peer = tcp.peer_addr().ok();
                    let placed = place(placed.clone(), io, protocol, peer);
                    async move { placed.await.map_err(TlsError::Service) }
                }))
                .and_then(service!(around).map_err(TlsError::Service))
        })
    } else {
        builder.listen("http", listener, move || {
            let placed = around.clone();
            fn_service(move |io: TcpStream| {
                let _ = io.set_nodelay(true);
                let peer = io.peer_addr().ok();
                place(placed.clone(), io, Protocol::Http1, peer)
            })
            .and_then(service!(around))
        })
    };
    let server = builder.map_err(ServeError::Start)?.run();
    Ok(Listening { address, handle: server.handle(), server })
}

/// A listening socket with a backlog of our choice; the standard library's is fixed.
pub(super) fn bound(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// The routes of one worker.
fn app(
    around: &Surroundings,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .app_data(Data::new(around.clone()))
        .configure(|config| routes(config, around))
        .default_service(web::to(async |request: HttpRequest| not_found(&request)))
        .wrap(from_fn(compress::compress))
        .wrap(from_fn(same_origin::check))
        .wrap(from_fn(http_sockets::at_work))
        .wrap(from_fn(observe::observe))
}

fn routes(config: &mut ServiceConfig, around: &Surroundings) {
    let at = |path: &str, route: Route| {
        let reading = guard::Any(guard::Get()).or(guard::Head());
        web::resource(path.to_owned())
            .route(route.guard(reading))
            .default_service(web::to(method_not_allowed))
    };
    config
        .service(at("/health", web::to(health::health)))
        .service(at("/ready", web::to(health::ready)))
        .service(at("/helios.js", web::to(pages::client)))
        .service(at("/helios-core.js", web::to(pages::client_core)))
        .service(at("/helios-worker.js", web::to(pages::client_worker)));
    config.service(at("/ws", web::to(upgrade_required)));
    // Before the shorter prefix.
    v1::routes(config, around);
    if around.universes_max.is_some() {
        config.configure(api::routes);
    }
    if around.metrics {
        config.service(at("/metrics", web::to(health::metrics)));
    }
    if around.options.playground {
        config
            .service(at("/", web::to(pages::playground)))
            .service(at("/live", web::to(pages::live)))
            .service(at("/universes", web::to(pages::universes)))
            .service(at("/jobs", web::to(pages::jobs)))
            .service(at("/playground/{name}", web::to(pages::playground_file)));
    }
}
