//! Publish and subscribe as one writes it first: a task and a channel for each subscriber, a message into each channel for
//! each publication. What fan-out is measured against (goal P5). Text: `sub TOPIC` and `pub TOPIC DATA`.
//!
//! `cargo run --release --example naive_fanout -- 127.0.0.1:9000`

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;

type Topics = Rc<RefCell<HashMap<String, Vec<UnboundedSender<String>>>>>;

async fn serve(stream: TcpStream, topics: Topics) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    stream.set_nodelay(true)?;
    let (mut to, mut from) = tokio_tungstenite::accept_async(stream).await?.split();
    let (sender, mut receiver) = unbounded_channel::<String>();
    loop {
        tokio::select! {
            Some(text) = receiver.recv() => to.send(Message::text(text)).await?,
            message = from.next() => {
                let Some(Message::Text(text)) = message.transpose()? else { return Ok(()) };
                if let Some(topic) = text.strip_prefix("sub ") {
                    topics.borrow_mut().entry(topic.to_owned()).or_default().push(sender.clone());
                    to.send(Message::text("ok")).await?;
                } else if let Some((topic, data)) = text.strip_prefix("pub ").and_then(|it| it.split_once(' ')) {
                    let mut topics = topics.borrow_mut();
                    let subscribers = topics.entry(topic.to_owned()).or_default();
                    subscribers.retain(|subscriber| subscriber.send(data.to_owned()).is_ok());
                }
            }
        }
    }
}

fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(&address).await.expect("the address is free");
        let topics = Topics::default();
        while let Ok((stream, _)) = listener.accept().await {
            let topics = Rc::clone(&topics);
            tokio::task::spawn_local(async move {
                // A subscriber that is gone needs no word.
                let _ = serve(stream, topics).await;
            });
        }
    });
}
