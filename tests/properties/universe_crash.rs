//! A real server, killed with SIGKILL while peers work on universes. What was answered is there again, with the same
//! ids; what was not is there as a whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use helios::base::Random;
use helios::peer::{Peer, PeerError};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::seeds;
use crate::server::Server;

const PEERS: usize = 3;

/// What one peer knows: its universe, and what was answered.
#[derive(Clone, Debug, Default)]
struct Known {
    universe: String,
    /// The number that the state has for certain, and the one that it may have.
    answered: u64,
    asked: u64,
    /// Snapshot, commit, and the number in it.
    kept: Vec<(String, String, u64)>,
    forks: Vec<(String, u64)>,
}

/// Works until the server is gone.
async fn work(url: String, known: Arc<Mutex<Known>>, mut random: Random) {
    let Ok(mut peer) = Peer::connect(&url, &Default::default()).await else { return };
    let _: Result<(), PeerError> = async {
        loop {
            let state = known.lock().clone();
            let universe = &state.universe;
            match random.next_u64() % 6 {
                0 => {
                    let kept = peer.request("universe:commit", &json!({ "universe": universe })).await?;
                    let text = |name: &str| kept[name].as_str().unwrap_or_default().to_owned();
                    known.lock().kept.push((text("snapshotId"), text("commitId"), state.answered));
                }
                1 => {
                    let fork = peer.request("universe:fork", &json!({ "universe": universe })).await?;
                    let id = fork["universes"][0]["id"].as_str().unwrap_or_default().to_owned();
                    known.lock().forks.push((id, state.answered));
                }
                _ => {
                    let next = state.answered + 1;
                    known.lock().asked = next;
                    let updates =
                        json!({ "number": next, "pair": { "number": next }, "text": "x".repeat(300) });
                    peer.request("universe:update", &json!({ "universe": universe, "updates": updates }))
                        .await?;
                    known.lock().answered = next;
                }
            }
        }
    }
    .await;
}

async fn check(peer: &mut Peer, known: &mut Known) {
    let get = |universe: &str| json!({ "universe": universe });
    let found = peer.request("universe:get", &get(&known.universe)).await.unwrap();
    let number = found["state"]["number"].as_u64().unwrap();
    assert!(number == known.answered || number == known.asked, "{number}: {known:?}");
    assert_eq!(found["state"]["pair"]["number"], number, "an update is there as a whole");
    (known.answered, known.asked) = (number, number);
    for (fork, number) in &known.forks {
        let found = peer.request("universe:get", &get(fork)).await.unwrap();
        assert_eq!(found["state"]["number"], *number, "the fork {fork}");
    }
    let same = |commit: &str, snapshot: &str| json!({ "from": commit, "to": snapshot, "values": true });
    for (snapshot, commit, _) in &known.kept {
        let diff = peer.request("universe:diff", &same(commit, snapshot)).await.unwrap();
        assert_eq!(diff["stats"], json!({ "added": 0, "changed": 0, "deleted": 0, "truncated": false }));
    }
    if let Some((snapshot, commit, number)) = known.kept.last() {
        let fork = json!({ "universe": known.universe, "at": commit });
        let made = peer.request("universe:fork", &fork).await.unwrap();
        assert_eq!(&made["universes"][0]["snapshotId"], snapshot);
        let id = made["universes"][0]["id"].as_str().unwrap();
        let found: Value = peer.request("universe:get", &get(id)).await.unwrap();
        assert_eq!(found["state"]["number"], *number, "the commit has what was committed");
        peer.request("universe:delete", &get(id)).await.unwrap();
    }
    let log =
        peer.request("universe:log", &json!({ "universe": known.universe, "limit": 10_000 })).await.unwrap();
    let commits: Vec<&str> =
        log["commits"].as_array().unwrap().iter().map(|it| it["commitId"].as_str().unwrap()).collect();
    let missing = known.kept.iter().find(|(_, commit, _)| !commits.contains(&commit.as_str()));
    assert_eq!(missing, None, "every commit is in the history");
}

#[tokio::test]
async fn universes_and_commits_that_were_answered_outlive_kills() {
    let rounds = seeds(12);
    println!("seed {}", rounds.start);
    let mut random = Random::seeded(rounds.start);
    let directory = tempfile::tempdir().unwrap();
    // Small, so that checkpoints, segments and snapshots come and go under the kills.
    let configuration = "[universes]\neveryone = true\ncheckpoint_interval = \"20ms\"\nresident_bytes_max = \"4KiB\"\n\
                         [store]\nsegment_bytes = \"64KiB\"\nsnapshot_interval_cmds = 200\nsnapshot_pause = \"10ms\"\n";
    let mut known: Vec<Known> = Vec::new();
    for round in rounds {
        let mut server = Server::start_in(directory.path(), configuration);
        let mut peer = Peer::connect(&server.url, &Default::default()).await.unwrap();
        if known.is_empty() {
            let state = json!({ "number": 0, "pair": { "number": 0 } });
            let made =
                peer.request("universe:create", &json!({ "count": PEERS, "state": state })).await.unwrap();
            known = (0..PEERS)
                .map(|at| Known {
                    universe: made["universes"][at]["id"].as_str().unwrap().to_owned(),
                    ..Known::default()
                })
                .collect();
        }
        for known in &mut known {
            check(&mut peer, known).await;
        }
        let shared: Vec<_> = known.iter().map(|known| Arc::new(Mutex::new(known.clone()))).collect();
        let peers: Vec<_> = shared
            .iter()
            .map(|known| {
                let random = Random::seeded(random.next_u64());
                tokio::spawn(work(server.url.clone(), Arc::clone(known), random))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50 + random.next_u64() % 400)).await;
        server.kill();
        for peer in peers {
            peer.await.unwrap();
        }
        known = shared.iter().map(|known| known.lock().clone()).collect();
        println!("round {round}: {} updates, {} commits", known[0].answered, known[0].kept.len());
    }
    assert!(known.iter().all(|known| known.answered > 10 && !known.kept.is_empty()), "{known:?}");
}
