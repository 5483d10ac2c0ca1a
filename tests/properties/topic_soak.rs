//! Many sessions subscribe, are cut off, come back and subscribe anew while others publish. Whatever happens, each of them
//! gets every publication of its topics once and in order, and the server's memory stays what it was.
//!
//! `HELIOS_SOAK` says for how many seconds, `HELIOS_SOAK_SESSIONS` with how many sessions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use helios::base::Random;
use helios::peer::{Peer, PeerOptions};
use helios::testing::MockStarling;
use serde_json::json;

use crate::server::Server;
use crate::session_storm::all;

const CONFIGURATION: &str = "
[topics.namespaces.soak]
subscribe = \"everyone\"
publish = \"everyone\"
history_size = 20000
history_bytes = \"16MiB\"
";

/// Topics; each session is subscribed to three of them.
const TOPICS: u64 = 100;

/// Publications per second.
const RATE: u64 = 100;

/// What all parts of the soak know of each other.
#[derive(Default)]
struct Soak {
    over: Cell<bool>,
    /// The last number of each topic, once nothing is published any more.
    last: RefCell<BTreeMap<String, u64>>,
    resumed: Cell<u64>,
    seen: Cell<u64>,
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// One client and what it has seen.
struct Listener {
    starling: MockStarling,
    random: Random,
    /// The last number of each topic.
    seen: BTreeMap<String, u64>,
}

impl Listener {
    async fn begin(url: String, seed: u64) -> Self {
        let (starling, mut random) = (MockStarling::connect(&url).await, Random::seeded(seed));
        let mut listener = Self { starling, random: random.clone(), seen: BTreeMap::new() };
        while listener.seen.len() < 3 {
            let topic = format!("soak:t{}", random.next_u64() % TOPICS);
            listener.starling.subscribe(&topic).await;
            // Nothing is published yet.
            listener.seen.insert(topic, 0);
        }
        listener.random = random;
        listener
    }

    /// Takes what comes within a while. `false` once the connection is gone.
    async fn listen(&mut self, limit: Duration, soak: &Soak) {
        let until = Instant::now() + limit;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let Some((topic, data)) = self.starling.publication_within(left).await.unwrap() else { return };
            let (number, last) = (data.as_u64().unwrap(), self.seen.get_mut(&topic).unwrap());
            assert_eq!(number, *last + 1, "{topic} of {}", self.starling.session());
            *last = number;
            soak.seen.set(soak.seen.get() + 1);
        }
    }

    /// Something that happens to clients.
    async fn suffer(&mut self, soak: &Soak) {
        // As real clients do: what is not acknowledged is kept, up to the limits of a session.
        self.starling.acknowledge().await;
        match self.random.next_u64() % 4 {
            0 => {
                let at = (self.random.next_u64() % 3) as usize;
                let topic = self.seen.keys().nth(at).unwrap().clone();
                // What came by the subscription before lies in front of this answer: it is taken first.
                self.starling.request("topic:unsubscribe", json!({ "topic": topic })).await.unwrap();
                self.listen(Duration::from_millis(1), soak).await;
                let since = json!({ "topic": topic, "since": self.starling.place(&topic) });
                let told = self.starling.request("topic:subscribe", since).await.unwrap();
                assert_eq!(told["recovered"], true, "{told}");
            }
            _ => {
                self.starling.cut();
                tokio::time::sleep(self.random.up_to(Duration::from_millis(300))).await;
                let resumed = self.starling.resume().await;
                assert!(resumed.recovered && resumed.same_session, "{resumed:?}");
                assert!(resumed.topics.len() == 3, "{resumed:?}");
                assert!(resumed.topics.values().all(|told| told["recovered"] == true), "{resumed:?}");
                soak.resumed.set(soak.resumed.get() + 1);
            }
        }
    }

    async fn live(mut self, soak: Rc<Soak>) {
        while !soak.over.get() {
            let rest = self.random.up_to(Duration::from_secs(8));
            self.listen(rest, &soak).await;
            self.suffer(&soak).await;
        }
        let last = soak.last.borrow().clone();
        let all =
            |seen: &BTreeMap<String, u64>| seen.iter().all(|(topic, at)| last.get(topic).unwrap_or(&0) == at);
        let begun = Instant::now();
        while !all(&self.seen) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?} of {last:?}", self.seen);
            self.listen(Duration::from_millis(50), &soak).await;
        }
        // And nothing comes twice.
        self.listen(Duration::from_millis(50), &soak).await;
    }
}

async fn publish(url: String, seconds: u64, seed: u64, soak: Rc<Soak>) -> u64 {
    let mut peer = Peer::connect(&url, &PeerOptions::default()).await.unwrap();
    let (mut random, mut numbers) = (Random::seeded(seed), BTreeMap::<String, u64>::new());
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let topic = format!("soak:t{}", random.next_u64() % TOPICS);
        let number = numbers.entry(topic.clone()).or_default();
        *number += 1;
        peer.request("topic:publish", &json!({ "topic": topic, "data": *number })).await.unwrap();
        count += 1;
        let due = begun + Duration::from_millis(count * 1_000 / RATE);
        tokio::time::sleep_until(due.into()).await;
    }
    *soak.last.borrow_mut() = numbers;
    count
}

#[tokio::test]
async fn everybody_gets_everything_once_whatever_happens() {
    let (seconds, sessions) = (number("HELIOS_SOAK", 10), number("HELIOS_SOAK_SESSIONS", 300));
    let seed = number("HELIOS_SEED", 1);
    println!("seed {seed}");
    let server = Server::start(CONFIGURATION);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let soak = Rc::<Soak>::default();
            let listeners = (0..sessions).map(|at| Listener::begin(server.url.clone(), seed * 1_000_003 + at));
            let listeners = all(listeners.collect(), 100).await;
            let lives: Vec<_> =
                listeners.into_iter().map(|it| tokio::task::spawn_local(it.live(Rc::clone(&soak)))).collect();
            let publishing = publish(server.url.clone(), seconds, seed, Rc::clone(&soak));
            let publishing = tokio::task::spawn_local(publishing);
            // Histories fill first; what comes after that is to be flat.
            tokio::time::sleep(Duration::from_secs(seconds / 2)).await;
            let (before, _) = server.memory();
            let published = publishing.await.unwrap();
            let (after, peak) = server.memory();
            soak.over.set(true);
            for life in lives {
                life.await.unwrap();
            }
            println!(
                "{sessions} sessions, {seconds} s: {published} publications, {} deliveries, {} times cut off and back; \
                 memory {before} KiB at half time, {after} KiB at the end, {peak} KiB at most",
                soak.seen.get(),
                soak.resumed.get(),
            );
            assert!(soak.seen.get() > 0 && soak.resumed.get() > 0);
            assert!(after < before + before / 5 + 8 * 1024, "memory grows");
        })
        .await;
}
