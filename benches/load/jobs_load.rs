//! Jobs as fast as the server can: enqueued over some connections and worked on over others, with as little work of the
//! client as can be. Checks that each job was leased and acknowledged once; prints jobs in a second.
//!
//! `cargo run --release --example jobs_load -- ws://127.0.0.1:8080/ws JOBS BATCH`

use std::cell::RefCell;
use std::collections::HashSet;
use std::error::Error;
use std::time::Instant;

use futures_util::future::{select_all, try_join_all};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Failure = Box<dyn Error>;

/// Connections that enqueue, and that work.
const CONNECTIONS: u64 = 2;

/// Jobs that each of them enqueues at the same time.
const WINDOW: u64 = 1_000;

/// Jobs that each of them works on at the same time.
const CONCURRENCY: usize = 500;

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

/// The items of an answer to several; each has been done.
fn each<'a>(data: &'a Value, member: &str) -> Result<&'a Vec<Value>, Failure> {
    let items = data[member].as_array().ok_or_else(|| format!("no {member}: {data}"))?;
    match items.iter().find(|item| item.get("error").is_some()) {
        Some(failed) => Err(failed.to_string().into()),
        None => Ok(items),
    }
}

/// Enqueues every `CONNECTIONS`th job, `batch` with each request.
async fn enqueue(url: &str, first: u64, Load { jobs, batch }: Load) -> Result<(), Failure> {
    let (mut to, from) = connect(url).await?.split();
    let mut from = from.ready_chunks(CHUNK);
    let new = |number: u64| json!({ "type": "bench", "payload": { "number": number } });
    let mut numbers = (first..jobs).step_by(CONNECTIONS as usize);
    let mut next = || -> Option<(Message, u64)> {
        let some: Vec<_> = numbers.by_ref().take(batch).map(new).collect();
        let count = some.len() as u64;
        match some.as_slice() {
            [] => None,
            [one] if batch == 1 => Some((request(1, "jobs:enqueue", one), count)),
            _ => Some((request(1, "jobs:enqueueEach", &json!({ "jobs": some })), count)),
        }
    };
    let mut owed = 0;
    while owed < WINDOW
        && let Some((message, count)) = next()
    {
        to.feed(message).await?;
        owed += count;
    }
    to.flush().await?;
    while owed > 0 {
        for message in from.next().await.ok_or("the server has hung up")? {
            let Message::Text(text) = message? else { continue };
            let answer = serde_json::from_str(&text)?;
            let data = answered(&answer)?;
            owed -= if batch == 1 { 1 } else { each(data, "jobs")?.len() as u64 };
            if let Some((message, count)) = next() {
                to.feed(message).await?;
                owed += count;
            }
        }
        to.flush().await?;
    }
    Ok(())
}

/// What the workers have done, all together.
#[derive(Default)]
struct Done {
    seen: HashSet<u64>,
    acked: u64,
}

impl Done {
    /// Works on a job, and gives its acknowledgement.
    fn work(&mut self, job: &Value) -> Result<Value, Failure> {
        let number = job["payload"]["number"].as_u64().ok_or_else(|| format!("no job: {job}"))?;
        match self.seen.insert(number) {
            true => Ok(json!({ "id": job["id"], "leaseToken": job["leaseToken"] })),
            false => Err(format!("{number} came twice").into()),
        }
    }

    /// What is to be said to a message.
    fn heard(&mut self, message: &Value) -> Result<Option<Message>, Failure> {
        let data = &message["notification"]["data"];
        match message["notification"]["topic"].as_str() {
            Some("jobs:lease") => Ok(Some(request(1, "jobs:ack", &self.work(data)?))),
            Some("jobs:leases") => {
                let acks = each(data, "jobs")?.iter().map(|job| self.work(job));
                let acks = acks.collect::<Result<Vec<_>, _>>()?;
                Ok(Some(request(2, "jobs:ackEach", &json!({ "acks": acks }))))
            }
            _ => {
                match answered(message)? {
                    data if data.get("acks").is_some() => {
                        each(data, "acks")?.iter().try_for_each(|ack| self.acked(ack))?;
                    }
                    data if data.get("worker").is_some() => {}
                    ack => self.acked(ack)?,
                }
                Ok(None)
            }
        }
    }

    fn acked(&mut self, ack: &Value) -> Result<(), Failure> {
        match ack["status"] == "DONE" {
            true => self.acked += 1,
            false => return Err(ack.to_string().into()),
        }
        Ok(())
    }
}

/// Works until all jobs were done, by whichever worker.
async fn work(url: &str, Load { jobs, batch }: Load, done: &RefCell<Done>) -> Result<(), Failure> {
    let (mut to, from) = connect(url).await?.split();
    let mut from = from.ready_chunks(CHUNK);
    let name = format!("w{:p}", &raw const to);
    let wish =
        json!({ "worker": name, "types": ["bench"], "concurrency": CONCURRENCY, "together": batch > 1 });
    to.send(request(0, "jobs:work", &wish)).await?;
    loop {
        for message in from.next().await.ok_or("the server has hung up")? {
            let Message::Text(text) = message? else { continue };
            let message: Value = serde_json::from_str(&text)?;
            let answer = done.borrow_mut().heard(&message)?;
            if let Some(answer) = answer {
                to.feed(answer).await?;
            }
        }
        to.flush().await?;
        if done.borrow().acked == jobs {
            return Ok(());
        }
    }
}

#[derive(Clone, Copy)]
struct Load {
    jobs: u64,
    /// Jobs that are enqueued with one request; beyond 1, leases and acknowledgements come together too.
    batch: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("which server? ws://host:port/ws")?;
    let mut number = |preset: &str| args.next().as_deref().unwrap_or(preset).parse::<u64>();
    let load = Load { jobs: number("100000")?, batch: number("1")? as usize };
    let done = RefCell::default();
    let began = Instant::now();
    let workers = (0..CONNECTIONS).map(|_| Box::pin(work(&url, load, &done)));
    let enqueuers = (0..CONNECTIONS).map(|first| enqueue(&url, first, load));
    let (worked, enqueued) = tokio::join!(select_all(workers), try_join_all(enqueuers));
    worked.0?;
    enqueued?;
    let done = done.borrow();
    assert_eq!((done.seen.len() as u64, done.acked), (load.jobs, load.jobs), "each job is done once");
    println!("{:.0}", load.jobs as f64 / began.elapsed().as_secs_f64());
    Ok(())
}
