//! Jobs as fast as the server can: enqueued over some connections and worked on over others, with as little work of the
//! client as can be. Checks that each job was leased and acknowledged once; prints jobs in a second.
//!
//! `cargo run --release --example jobs_load -- ws://127.0.0.1:8080/ws 100000`

use std::cell::RefCell;
use std::collections::HashSet;
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Failure = Box<dyn Error>;

/// Connections that enqueue, and that work.
const CONNECTIONS: u64 = 2;

/// Jobs that each of them enqueues at the same time.
const WINDOW: u64 = 200;

/// Jobs that each of them works on at the same time.
const CONCURRENCY: usize = 200;

/// Messages that are read before the answers to them are written.
const CHUNK: usize = 64;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(url: &str) -> Result<Socket, Failure> {
    let (socket, _) = connect_async(url).await?;
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_nodelay(true)?;
    }
    Ok(socket)
}

fn request(number: u64, method: &str, payload: &Value) -> Message {
    Message::text(format!(
        r#"{{"protocol":"helios-starling","version":"1.0.0","timestamp":1,"type":"request","requestId":"00000000-0000-4000-8000-{number:012x}","method":"{method}","payload":{payload}}}"#
    ))
}

/// What an answer brings.
fn answered(message: &Value) -> Result<&Value, Failure> {
    match message["success"] == true {
        true => Ok(&message["data"]),
        false => Err(message.to_string().into()),
    }
}

/// Enqueues jobs, from `number` on each one behind `CONNECTIONS` others.
async fn enqueue(url: &str, first: u64, jobs: u64) -> Result<(), Failure> {
    let (mut to, from) = connect(url).await?.split();
    let mut from = from.ready_chunks(CHUNK);
    let new = |number: u64| {
        request(number, "jobs:enqueue", &json!({ "type": "bench", "payload": { "number": number } }))
    };
    let mut numbers = (first..jobs).step_by(CONNECTIONS as usize);
    let mut owed = 0;
    for number in numbers.by_ref().take(WINDOW as usize) {
        to.feed(new(number)).await?;
        owed += 1;
    }
    to.flush().await?;
    while owed > 0 {
        for message in from.next().await.ok_or("the server has hung up")? {
            let Message::Text(text) = message? else { continue };
            answered(&serde_json::from_str(&text)?)?;
            owed -= 1;
            if let Some(number) = numbers.next() {
                to.feed(new(number)).await?;
                owed += 1;
            }
        }
        to.flush().await?;
    }
    Ok(())
}

/// Works until all jobs were done, by whichever worker.
async fn work(
    url: &str,
    jobs: u64,
    done: Rc<RefCell<HashSet<u64>>>,
    acked: Rc<RefCell<u64>>,
) -> Result<(), Failure> {
    let (mut to, from) = connect(url).await?.split();
    let mut from = from.ready_chunks(CHUNK);
    let name = format!("w{:p}", &raw const to);
    to.send(request(
        0,
        "jobs:work",
        &json!({ "worker": name, "types": ["bench"], "concurrency": CONCURRENCY }),
    ))
    .await?;
    let mut number = 0;
    loop {
        for message in from.next().await.ok_or("the server has hung up")? {
            let Message::Text(text) = message? else { continue };
            let message: Value = serde_json::from_str(&text)?;
            if message["type"] == "response" {
                *acked.borrow_mut() += u64::from(answered(&message)?["status"] == "DONE");
                continue;
            }
            let job = &message["notification"]["data"];
            let its = job["payload"]["number"].as_u64().ok_or_else(|| format!("no lease: {text}"))?;
            if !done.borrow_mut().insert(its) {
                return Err(format!("{its} came twice").into());
            }
            number += 1;
            let ack = json!({ "id": job["id"], "leaseToken": job["leaseToken"] });
            to.feed(request(number, "jobs:ack", &ack)).await?;
        }
        to.flush().await?;
        if *acked.borrow() == jobs {
            return Ok(());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("which server? ws://host:port/ws")?;
    let jobs: u64 = args.next().as_deref().unwrap_or("100000").parse()?;
    let (done, acked) = (Rc::default(), Rc::default());
    let began = Instant::now();
    let workers = futures_util::future::select_all(
        (0..CONNECTIONS).map(|_| Box::pin(work(&url, jobs, Rc::clone(&done), Rc::clone(&acked)))),
    );
    let enqueuers =
        futures_util::future::try_join_all((0..CONNECTIONS).map(|first| enqueue(&url, first, jobs)));
    let (worked, enqueued) = tokio::join!(workers, enqueuers);
    worked.0?;
    enqueued?;
    assert_eq!((done.borrow().len() as u64, *acked.borrow()), (jobs, jobs), "each job is done once");
    println!("{:.0}", jobs as f64 / began.elapsed().as_secs_f64());
    Ok(())
}
