//! A few threads for much work that blocks: one that is awake takes the next piece, and need not be woken for it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::oneshot;

use super::Error;

/// A clone is the same hands. Who is dropped while it waits takes its piece with it, unless that was begun.
#[derive(Clone)]
pub(super) struct Hands {
    queue: Arc<Mutex<Queue>>,
    most: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    at_work: usize,
}

impl Hands {
    /// As many as there are processors.
    pub(super) fn new() -> Self {
        Self { queue: Arc::default(), most: available_parallelism().map_or(2, Into::into) }
    }

    /// Has a piece of work done behind those that wait already. Its panic is that of who waits for it.
    pub(super) async fn done<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.take_up(Box::new(move || {
            if !answer.is_closed() {
                let _gone = answer.send(catch_unwind(AssertUnwindSafe(work)));
            }
        }));
        match answered.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::Closing),
        }
    }

    fn take_up(&self, piece: Box<dyn FnOnce() + Send>) {
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(piece);
        if queue.at_work < self.most {
            queue.at_work += 1;
            let queue = Arc::clone(&self.queue);
            tokio::task::spawn_blocking(move || work_off(&queue));
        }
    }
}

fn work_off(queue: &Mutex<Queue>) {
    loop {
        let next = {
            let mut queue = lock(queue);
            let next = queue.waiting.pop_front();
            queue.at_work -= usize::from(next.is_none());
            next
        };
        match next {
            Some(piece) => piece(),
            None => return,
        }
    }
}

/// No piece of work is done while it is held.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn all_is_done_by_no_more_than_a_few() {
        let hands = Hands { most: 3, ..Hands::new() };
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let pieces = (0..100).map(|number| {
            let (hands, now, most) = (hands.clone(), Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                let piece = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(100));
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(number)
                };
                hands.done(piece).await.unwrap()
            })
        });
        let pieces: Vec<_> = pieces.collect();
        for (number, piece) in pieces.into_iter().enumerate() {
            assert_eq!(piece.await.unwrap(), number);
        }
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_panic_is_that_of_who_waits_and_of_nobody_else() {
        let hands = Hands { most: 1, ..Hands::new() };
        let panics = {
            let hands = hands.clone();
            tokio::spawn(async move { hands.done(|| -> Result<(), Error> { resume_unwind(Box::new("read")) }).await })
        };
        assert!(panics.await.unwrap_err().is_panic());
        assert_eq!(hands.done(|| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_begun() {
        let hands = Hands { most: 1, ..Hands::new() };
        let (go, gone) = std::sync::mpsc::channel();
        let first = {
            let hands = hands.clone();
            tokio::spawn(async move { hands.done(move || Ok(gone.recv().is_ok())).await })
        };
        tokio::task::yield_now().await;
        let begun = Arc::new(AtomicUsize::new(0));
        let given_up = {
            let begun = Arc::clone(&begun);
            hands.done(move || Ok(begun.fetch_add(1, Ordering::SeqCst)))
        };
        assert!(tokio::time::timeout(Duration::from_millis(20), given_up).await.is_err());
        go.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        hands.done(|| Ok(())).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }
}
