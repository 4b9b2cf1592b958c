//! The next batch, prepared on a thread of its own.

use crate::Error;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// An epoch, and the number of a batch in it.
type Place = (u64, usize);

/// A thread that fills one buffer while the caller reads another. Neither allocates: two buffers go back and forth.
///
/// The thread sleeps when both are full or the epoch is at its end, and ends when this is dropped.
#[derive(Debug)]
pub(super) struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
    /// What the caller reads.
    read: Option<T>,
    /// The place at which the thread was told to begin, until a batch was taken.
    begun: Option<Place>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// Where to begin, until the thread has seen it.
    place: Option<Place>,
    /// Counts the beginnings: what was being filled before the last one is not wanted any more.
    turn: u64,
    free: [Option<T>; 2],
    ready: Option<Ready<T>>,
    /// Whether the thread was told to end, or has.
    stop: bool,
}

#[derive(Debug)]
enum Ready<T> {
    Batch(T),
    End,
    Failed(Error),
}

impl<T> Shared<T> {
    /// A thread that panicked did so outside of the lock, so what it guards is whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn release(&mut self, buffer: T) {
        if let Some(place) = self.free.iter_mut().find(|place| place.is_none()) {
            *place = Some(buffer);
        }
    }
}

impl<T: Send + 'static> Prefetch<T> {
    /// `fill` fills a buffer with the next batch, or that of a place, and gives `false` at the end of the epoch.
    pub(super) fn new(
        buffers: [T; 2],
        fill: impl FnMut(Option<Place>, &mut T) -> Result<bool, Error> + Send + 'static,
    ) -> Result<Prefetch<T>, Error> {
        let state = State { place: None, turn: 0, free: buffers.map(Some), ready: Some(Ready::End), stop: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = Builder::new()
            .name(String::from("wengert-batches"))
            .spawn(move || work(&worker, fill))
            .map_err(|cause| Error::from_io("the thread that prepares batches", cause))?;
        Ok(Prefetch { shared, thread: Some(thread), read: None, begun: None })
    }
}

impl<T> Prefetch<T> {
    /// Begins at another place.
    pub(super) fn start_at(&mut self, epoch: u64, batch: usize) {
        // Told twice in a row, as `fit` does for its first epoch, it has nothing to do again.
        if self.begun.replace((epoch, batch)) == Some((epoch, batch)) {
            return;
        }
        let mut state = self.shared.lock();
        state.place = Some((epoch, batch));
        state.turn += 1;
        if let Some(Ready::Batch(buffer)) = state.ready.take() {
            state.release(buffer);
        }
        self.shared.changed.notify_all();
    }

    /// The next batch, or `None` at the end of the epoch.
    pub(super) fn next(&mut self) -> Result<Option<&T>, Error> {
        self.begun = None;
        let mut state = self.shared.lock();
        if let Some(buffer) = self.read.take() {
            state.release(buffer);
            self.shared.changed.notify_all();
        }
        loop {
            match state.ready.take() {
                Some(Ready::Batch(buffer)) => {
                    self.shared.changed.notify_all();
                    return Ok(Some(self.read.insert(buffer)));
                }
                Some(Ready::End) => {
                    // It stays at its end until it begins anew.
                    state.ready = Some(Ready::End);
                    return Ok(None);
                }
                Some(Ready::Failed(error)) => {
                    self.shared.changed.notify_all();
                    return Err(error);
                }
                None if state.stop => return Err(Error::invalid("the thread that prepares batches has ended")),
                None => state = self.shared.wait(state),
            }
        }
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It catches its own panics.
            let _ = thread.join();
        }
    }
}

/// What the thread does.
fn work<T>(shared: &Shared<T>, mut fill: impl FnMut(Option<Place>, &mut T) -> Result<bool, Error>) {
    let mut state = shared.lock();
    loop {
        if state.stop {
            return;
        }
        let idle = state.ready.is_some() || (state.turn == 0);
        let buffer = if idle { None } else { state.free.iter_mut().find_map(Option::take) };
        let Some(mut buffer) = buffer else {
            state = shared.wait(state);
            continue;
        };
        let (place, turn) = (state.place.take(), state.turn);
        drop(state);
        let filled = catch_unwind(AssertUnwindSafe(|| fill(place, &mut buffer)));
        state = shared.lock();
        let ready = match filled {
            Ok(Ok(true)) if state.turn == turn => Ready::Batch(buffer),
            Ok(result) => {
                state.release(buffer);
                match result {
                    Ok(_) => Ready::End,
                    Err(error) => Ready::Failed(error),
                }
            }
            Err(panic) => {
                // What it was doing may be in pieces, so it does no more.
                state.stop = true;
                state.ready = Some(Ready::Failed(Error::invalid(format!(
                    "the thread that prepares batches panicked: {}",
                    words(panic.as_ref())
                ))));
                shared.changed.notify_all();
                return;
            }
        };
        if state.turn == turn {
            state.ready = Some(ready);
            shared.changed.notify_all();
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts batches from a place on, ten to an epoch, and fails where `fault` says so.
    fn counter(fault: fn(usize) -> Result<(), Error>) -> Prefetch<usize> {
        let mut next = 0;
        Prefetch::new([0, 0], move |place, buffer| {
            if let Some((epoch, batch)) = place {
                next = epoch as usize * 10 + batch;
            }
            fault(next)?;
            *buffer = next;
            next += 1;
            Ok(*buffer % 10 != 9)
        })
        .unwrap()
    }

    #[test]
    fn whatever_is_asked_in_between_the_order_stays() {
        let mut batches = counter(|_| Ok(()));
        assert!(batches.next().unwrap().is_none(), "nothing was begun");
        for (epoch, batch) in [(0, 0), (0, 0), (3, 5), (2, 8), (2, 9)] {
            batches.start_at(epoch, batch);
            for number in batch..9 {
                assert_eq!(batches.next().unwrap(), Some(&(epoch as usize * 10 + number)));
            }
            assert!(batches.next().unwrap().is_none());
            assert!(batches.next().unwrap().is_none());
        }
        for i in 0..2000 {
            batches.start_at(i, 2);
            if i % 3 > 0 {
                assert_eq!(batches.next().unwrap(), Some(&(i as usize * 10 + 2)));
            }
            if i % 3 == 2 {
                assert_eq!(batches.next().unwrap(), Some(&(i as usize * 10 + 3)));
            }
        }
    }

    #[test]
    fn an_error_comes_out_where_its_batch_would_have() {
        // semantics 10.11
        let mut batches = counter(|number| if number == 2 { Err(Error::data("batch 2 is spoilt")) } else { Ok(()) });
        batches.start_at(0, 0);
        assert_eq!(batches.next().unwrap(), Some(&0));
        assert_eq!(batches.next().unwrap(), Some(&1));
        assert_eq!(batches.next().unwrap_err().to_string(), "batch 2 is spoilt");
        batches.start_at(1, 0);
        assert_eq!(batches.next().unwrap(), Some(&10));
    }

    #[test]
    fn a_panic_is_an_error_from_then_on() {
        // semantics 10.11
        let mut batches = counter(|number| if number == 1 { panic!("number {number}") } else { Ok(()) });
        batches.start_at(0, 0);
        assert_eq!(batches.next().unwrap(), Some(&0));
        let error = batches.next().unwrap_err().to_string();
        assert_eq!(error, "the thread that prepares batches panicked: number 1");
        for _ in 0..2 {
            batches.start_at(5, 0);
            assert!(batches.next().unwrap_err().to_string().contains("has ended"));
        }
    }

    #[test]
    fn dropping_ends_the_thread_whatever_it_does() {
        // semantics 10.11
        static ENDED: AtomicUsize = AtomicUsize::new(0);
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                ENDED.fetch_add(1, Ordering::SeqCst);
            }
        }
        for begun in [false, true] {
            let guard = Guard;
            let mut batches = Prefetch::new([0u8, 0], move |_, _| {
                let _ = &guard;
                std::thread::sleep(std::time::Duration::from_millis(5));
                Ok(true)
            })
            .unwrap();
            if begun {
                batches.start_at(0, 0);
                batches.next().unwrap();
            }
            drop(batches);
            assert_eq!(ENDED.load(Ordering::SeqCst), 1 + usize::from(begun));
        }
    }
}
