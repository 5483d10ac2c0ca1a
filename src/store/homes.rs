//! How answers get from the writer to those who wait: one by one, or for all tasks of a thread together.
//!
//! An answer that wakes a task of another thread costs more than the work itself: that thread is woken, runs the one task,
//! writes its one message, and waits again. So threads with many tasks take the answers of a whole batch in one piece, and hand
//! them out themselves; then the messages that follow are written in one piece too.

use std::cell::RefCell;

use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use super::outcome::Done;

/// What came of some work.
pub(super) type Given = Result<Vec<Done>, StoreError>;

/// An answer with whoever waits for it.
type Letter = (oneshot::Sender<Given>, Given);

/// Whoever waits for an answer, and where.
#[derive(Debug)]
pub(super) struct Waiting {
    asker: oneshot::Sender<Given>,
    home: Option<mpsc::UnboundedSender<Vec<Letter>>>,
}

thread_local! {
    static HOME: RefCell<Option<mpsc::UnboundedSender<Vec<Letter>>>> = const { RefCell::new(None) };
}

/// Hands out the answers of stores to tasks of this thread, as long as it is polled: to be spawned on a thread whose tasks stay on
/// it, as those of [`tokio::task::LocalSet`] do. Without it everything works the same, one answer at a time.
pub fn hand_out_answers() -> impl Future<Output = ()> {
    let (home, mut letters) = mpsc::unbounded_channel();
    HOME.set(Some(home));
    async move {
        while let Some(batch) = letters.recv().await {
            batch.into_iter().for_each(deliver);
        }
    }
}

fn deliver((asker, given): Letter) {
    // Who asked may have gone; what was asked is done.
    let _ = asker.send(given);
}

impl Waiting {
    /// Whoever asks here.
    pub(super) fn here(asker: oneshot::Sender<Given>) -> Self {
        let home = HOME.with_borrow(|home| home.as_ref().filter(|home| !home.is_closed()).cloned());
        Self { asker, home }
    }

    /// Whoever blocks its thread until there is an answer.
    pub(super) fn blocked(asker: oneshot::Sender<Given>) -> Self {
        Self { asker, home: None }
    }

    pub(super) fn answer(self, given: Given) {
        deliver((self.asker, given));
    }
}

/// Answers everybody.
pub(super) fn answer_all(answers: impl Iterator<Item = (Waiting, Given)>) {
    // There are as many homes as threads: a few.
    let mut batches: Vec<(mpsc::UnboundedSender<Vec<Letter>>, Vec<Letter>)> = Vec::new();
    for (Waiting { asker, home }, given) in answers {
        let letter = (asker, given);
        let Some(home) = home else {
            deliver(letter);
            continue;
        };
        match batches.iter_mut().find(|(to, _)| to.same_channel(&home)) {
            Some((_, batch)) => batch.push(letter),
            None => batches.push((home, vec![letter])),
        }
    }
    for (home, batch) in batches {
        if let Err(mpsc::error::SendError(batch)) = home.send(batch) {
            // Nobody hands out there any more.
            batch.into_iter().for_each(deliver);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> (Waiting, oneshot::Receiver<Given>) {
        let (asker, answered) = oneshot::channel();
        (Waiting::here(asker), answered)
    }

    #[tokio::test]
    async fn answers_come_at_once_together_and_after_nobody_hands_them_out_any_more() {
        let given = || Ok(vec![Done::Failed(StoreError::Closed)]);
        let came = async |answered: oneshot::Receiver<Given>| answered.await.unwrap().unwrap().len();
        let (alone, answered) = ask();
        answer_all([(alone, given())].into_iter());
        assert_eq!(came(answered).await, 1);

        let hands = tokio::spawn(hand_out_answers());
        let (asking, mut answered): (Vec<_>, Vec<_>) = (0..3).map(|_| ask()).unzip();
        let (late, last) = ask();
        answer_all(asking.into_iter().map(|waiting| (waiting, given())));
        assert!(answered[0].try_recv().is_err(), "they wait for the task of the thread");
        for answered in answered {
            assert_eq!(came(answered).await, 1);
        }
        hands.abort();
        assert!(hands.await.unwrap_err().is_cancelled());
        answer_all([(late, given())].into_iter());
        assert_eq!(came(last).await, 1);
        let (later, last) = ask();
        assert!(later.home.is_none());
        later.answer(given());
        assert_eq!(came(last).await, 1);
    }
}
