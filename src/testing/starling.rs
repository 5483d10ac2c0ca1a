//! A client for tests of applications: asks, expects, and loses its connection when it is told to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::peer::{Peer, PeerError, PeerOptions, Received, Resume};
use crate::protocol::TOPIC_HELLO;

/// A peer that has a token, counts what it gets, and can come back to its session.
///
/// ```no_run
/// # async fn test() {
/// use helios::testing::{MockStarling, TestServer};
/// use serde_json::json;
///
/// let server = TestServer::start();
/// let mut ann = MockStarling::connect(server.ws_url()).await;
/// ann.request("demo:topic", json!({ "topic": "news", "data": 1 })).await.unwrap();
/// assert_eq!(ann.expect_notification("news").await, 1);
/// ann.refute_notification("news").await;
/// ann.cut();
/// assert!(ann.resume().await.recovered);
/// # }
/// ```
#[derive(Debug)]
pub struct MockStarling {
    url: String,
    options: PeerOptions,
    peer: Option<Peer>,
    session: String,
    token: String,
    /// Where the counting of this connection began.
    base: u64,
    /// The number of the last message that was taken.
    position: u64,
    instance: String,
    attempt: u64,
    /// Where it stands in each topic: the position of the last publication that was taken.
    topics: BTreeMap<String, String>,
}

/// What the server said when a session was taken up again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resumed {
    /// Nothing is missing.
    pub recovered: bool,
    /// How many messages are sent again.
    pub replayed: u64,
    /// Why something is missing.
    pub reason: Option<String>,
    /// Whether the session is the one from before.
    pub same_session: bool,
    /// Whether the server was restarted meanwhile.
    pub restarted: bool,
    /// How many messages of this client have come, if the server knows.
    pub received: Option<u64>,
    /// What it said of each topic: recovered, replayed, position, reason.
    pub topics: BTreeMap<String, Value>,
}

/// How long to look for something that must not come.
const QUIET: Duration = Duration::from_millis(100);

impl MockStarling {
    /// Connects and gets a token.
    ///
    /// # Panics
    /// If the server refuses: there is nothing to test then.
    pub async fn connect(url: &str) -> Self {
        Self::connect_with(url, PeerOptions::default()).await
    }

    /// The same with options of its own.
    ///
    /// # Panics
    /// If the server refuses: there is nothing to test then.
    pub async fn connect_with(url: &str, options: PeerOptions) -> Self {
        let mut peer = Peer::connect(url, &options).await.expect("the server accepts");
        let session = match options.plain {
            true => String::new(),
            false => hello(&mut peer).await["session"].as_str().unwrap_or_default().to_owned(),
        };
        let instance = crate::protocol::RequestId::generate().to_string();
        let (url, token, peer) = (url.to_owned(), String::new(), Some(peer));
        let mut starling = Self {
            url,
            options,
            peer,
            session,
            token,
            base: 0,
            position: 0,
            instance,
            attempt: 0,
            topics: BTreeMap::new(),
        };
        starling.refresh().await;
        starling
    }

    /// Asks for a new token.
    ///
    /// # Panics
    /// If there is none.
    pub async fn refresh(&mut self) {
        let state = self.request("starling:state", Value::Null).await.expect("there is a token");
        self.token = state["token"].as_str().unwrap_or_default().to_owned();
    }

    /// The id of its session.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The token that it would come back with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The number of the last message that it has taken.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The connection, for what this type does not know.
    ///
    /// # Panics
    /// After a cut.
    pub fn peer(&mut self) -> &mut Peer {
        self.peer.as_mut().expect("it is connected")
    }

    /// Calls a method and waits for the answer.
    ///
    /// # Errors
    /// If the server answers with an error, or not at all.
    pub async fn request(&mut self, method: &str, payload: Value) -> Result<Value, PeerError> {
        let answer = self.peer().request(method, &payload).await;
        self.take_stock();
        answer
    }

    /// Sends a notification.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn notify(&mut self, topic: &str, data: Value) {
        self.peer().notify(topic, &data).await.expect("the connection works");
    }

    /// Waits for a notification and gives its data.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn expect_notification(&mut self, wanted: &str) -> Value {
        let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == wanted);
        let received = self.peer().expect(fits).await;
        self.take_stock();
        match received {
            Ok(Received::Notification { data, .. }) => data,
            other => panic!("no notification on {wanted}: {other:?}"),
        }
    }

    /// Makes sure that no notification on a topic is here or comes within a moment.
    ///
    /// # Panics
    /// If one does.
    pub async fn refute_notification(&mut self, unwanted: &str) {
        let fits = |it: &Received| matches!(it, Received::Notification { topic, .. } if topic == unwanted);
        let found = tokio::time::timeout(QUIET, self.peer().expect(fits)).await;
        self.take_stock();
        assert!(!matches!(found, Ok(Ok(_))), "there is a notification on {unwanted}: {found:?}");
    }

    /// Subscribes to a topic from now on.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn subscribe(&mut self, topic: &str) {
        let told = self.request("topic:subscribe", serde_json::json!({ "topic": topic })).await;
        let position = told.expect("the topic is open")["position"].as_str().unwrap_or_default().to_owned();
        self.topics.insert(topic.to_owned(), position);
    }

    /// Waits for the next publication on a topic and gives its data. It counts as handled from now on.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn expect_publication(&mut self, wanted: &str) -> Value {
        let fits = |it: &Received| matches!(it, Received::Notification { topic, published: Some(_), .. } if topic == wanted);
        let received = self.peer().expect(fits).await;
        self.take_stock();
        match received {
            Ok(Received::Notification { data, published: Some(place), .. }) => {
                self.topics.insert(wanted.to_owned(), place.position);
                data
            }
            other => panic!("no publication on {wanted}: {other:?}"),
        }
    }

    /// The next publication on any topic, if one comes in time: the topic and the data. It counts as handled from now on.
    ///
    /// # Errors
    /// If the connection ends.
    pub async fn publication_within(
        &mut self,
        limit: Duration,
    ) -> Result<Option<(String, Value)>, PeerError> {
        let fits = |it: &Received| matches!(it, Received::Notification { published: Some(_), .. });
        let Ok(received) = tokio::time::timeout(limit, self.peer().expect(fits)).await else {
            return Ok(None);
        };
        self.take_stock();
        match received? {
            Received::Notification { topic, data, published: Some(place), .. } => {
                self.topics.insert(topic.clone(), place.position);
                Ok(Some((topic, data)))
            }
            _ => Ok(None),
        }
    }

    /// Where it stands in a topic.
    pub fn place(&self, topic: &str) -> Option<&str> {
        self.topics.get(topic).map(String::as_str)
    }

    /// Says that everything so far was handled.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn acknowledge(&mut self) {
        self.take_stock();
        let position = self.position;
        self.peer().acknowledge(position).await.expect("the connection works");
    }

    /// Drops the connection without a word, as a cut cable does.
    pub fn cut(&mut self) {
        if self.peer.is_some() {
            self.take_stock();
        }
        self.peer = None;
    }

    /// Comes back with its token and the position that it has reached.
    ///
    /// # Panics
    /// If the server refuses the connection.
    pub async fn resume(&mut self) -> Resumed {
        let position = Some(self.position);
        let instance = Some(self.instance.clone());
        self.attempt += 1;
        let attempt = self.attempt;
        let (token, topics) = (self.token.clone(), Some(self.topics.clone()));
        let resume = Resume { token, position, instance, attempt, topics, ..Resume::default() };
        let options = PeerOptions { resume: Some(resume), ..self.options.clone() };
        let mut peer = Peer::connect(&self.url, &options).await.expect("the server accepts");
        let hello = hello(&mut peer).await;
        let told = &hello["recovery"];
        let session = hello["session"].as_str().unwrap_or_default().to_owned();
        let resumed = Resumed {
            recovered: told["recovered"] == true,
            replayed: told["replayed"].as_u64().unwrap_or_default(),
            reason: told["reason"].as_str().map(str::to_owned),
            same_session: session == self.session,
            restarted: told["restarted"] == true,
            received: told["received"].as_u64(),
            topics: serde_json::from_value(told["topics"].clone()).unwrap_or_default(),
        };
        self.base = told["position"].as_u64().unwrap_or_default();
        (self.position, self.session, self.peer) = (self.base, session, Some(peer));
        resumed
    }

    /// Where the server is from now on.
    pub fn move_to(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    /// What the connection has brought counts, also what nobody has asked for yet.
    fn take_stock(&mut self) {
        let received = self.peer().received();
        self.position = self.base + received;
    }
}

async fn hello(peer: &mut Peer) -> Value {
    match peer.receive().await {
        Ok(Received::Notification { topic, data, .. }) if topic == TOPIC_HELLO => data,
        other => panic!("the server does not say hello: {other:?}"),
    }
}
