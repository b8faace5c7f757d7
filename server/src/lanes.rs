//! Work that several threads do side by side, and whose results are taken in the order in which it was begun.
//!
//! Whoever begins work gets a receiver for what comes of it, and hands the receivers on, in order, through a channel that
//! holds as many as may be under way: that bounds the memory.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, Scope},
};

/// The most threads: each holds a part of some MiB twice, and more are of no use where one thread writes.
const MOST: usize = 4;
/// Results of one piece of work that may wait for being taken.
const RESULTS: usize = 4;

/// Threads that work side by side. They end when this is dropped.
pub(crate) struct Lanes<T, R>(SyncSender<(T, SyncSender<R>)>);

/// How many threads work side by side here.
pub(crate) fn count() -> usize {
    thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MOST)
}

impl<T: Send, R: Send> Lanes<T, R> {
    /// Starts the threads. `work` gives the results of each task to the sender, in order; sending fails when nobody
    /// wants them any more.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        work: impl Fn(T, &SyncSender<R>) + Clone + Send + 'scope,
    ) -> Self
    where
        T: 'scope,
        R: 'scope,
    {
        let (to, tasks) = sync_channel::<(T, SyncSender<R>)>(0);
        let tasks = Arc::new(Mutex::new(tasks));
        for _ in 0..count() {
            let (tasks, work) = (tasks.clone(), work.clone());
            scope.spawn(move || {
                while let Some((task, results)) = next(&tasks) {
                    work(task, &results);
                }
            });
        }
        Self(to)
    }

    /// Begins a task as soon as a thread is free. `None` if all threads have stopped, which only a defect does.
    pub(crate) fn begin(&self, task: T) -> Option<Receiver<R>> {
        let (to, results) = sync_channel(RESULTS);
        self.0.send((task, to)).ok().map(|()| results)
    }
}

/// Does the same with each item, several side by side, and takes the results in the order of the items, until one is an
/// error. `defect` says that a thread ended without a result.
pub(crate) fn each<T: Send, R: Send, E: Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<R, E> + Sync,
    defect: impl Fn() -> E,
    mut take: impl FnMut(R),
) -> Result<(), E> {
    thread::scope(|scope| {
        let work = &work;
        let lanes = Lanes::start(scope, move |item, to: &SyncSender<_>| {
            // Nobody listens any more once there was an error.
            let _ = to.send(work(item));
        });
        let mut begun = VecDeque::new();
        let mut take = |begun: Option<Receiver<Result<R, E>>>| {
            let result = begun.and_then(|results| results.recv().ok());
            result.unwrap_or_else(|| Err(defect())).map(&mut take)
        };
        for item in items {
            begun.push_back(lanes.begin(item));
            if begun.len() > count()
                && let Some(first) = begun.pop_front()
            {
                take(first)?;
            }
        }
        begun.into_iter().try_for_each(take)
    })
}

fn next<T>(tasks: &Mutex<Receiver<T>>) -> Option<T> {
    tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_tasks() {
        let found: Vec<u32> = thread::scope(|scope| {
            let lanes = Lanes::start(scope, |task: u32, results: &SyncSender<u32>| {
                // The first take the longest.
                thread::sleep(std::time::Duration::from_millis(u64::from(20 - task)));
                for result in 0..3 {
                    results.send(task * 10 + result).unwrap();
                }
            });
            let (to, handles) = sync_channel::<Receiver<u32>>(2);
            let taking = scope.spawn(move || handles.iter().flatten().collect());
            for task in 0..20 {
                to.send(lanes.begin(task).unwrap()).unwrap();
            }
            drop(to);
            taking.join().unwrap()
        });
        let expected: Vec<u32> = (0..20)
            .flat_map(|task| (0..3).map(move |result| task * 10 + result))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_error_in_order_ends_it() {
        let mut taken = Vec::new();
        let result = each(
            0..100,
            |item: u32| if item % 7 == 6 { Err(item) } else { Ok(item) },
            || u32::MAX,
            |item| taken.push(item),
        );
        assert_eq!(result, Err(6));
        assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn threads_end_when_nobody_wants_results() {
        thread::scope(|scope| {
            let lanes = Lanes::start(
                scope,
                |_: u32, results: &SyncSender<u32>| {
                    while results.send(0).is_ok() {}
                },
            );
            for _ in 0..10 {
                drop(lanes.begin(1));
            }
        });
    }
}
