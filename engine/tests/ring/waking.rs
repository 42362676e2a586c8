//! Waking a reactor: from a thread, from another ring.

use crate::harness::{config, wakers};
use ringws_engine::ring::{Completion, Kernel, KernelConfig, Tuning, Uring, Waker};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

fn ring(index: usize, wakers: &Arc<[Waker]>, tuning: &Tuning) -> Uring {
    let config = KernelConfig { index, wakers: Arc::clone(wakers), ..config(Vec::new()) };
    Uring::tuned(config, tuning).expect("io_uring")
}

/// Waits until woken; returns how long it took.
fn woken(kernel: &mut Uring) -> Duration {
    let start = Instant::now();
    let mut completions = Vec::new();
    while !completions.iter().any(|completion| matches!(completion, Completion::Woken)) {
        kernel.wait(Some(Duration::from_secs(10)), &mut completions).expect("the ring works");
        assert!(start.elapsed() < Duration::from_secs(9), "not woken");
    }
    start.elapsed()
}

fn quiet(kernel: &mut Uring) {
    let mut completions = Vec::new();
    kernel.wait(Some(Duration::from_millis(5)), &mut completions).expect("the ring works");
    assert!(completions.is_empty(), "{completions:?}");
}

#[test]
fn a_timeout_is_kept_and_zero_does_not_wait() {
    let mut kernel = ring(0, &wakers(1), &Tuning::default());
    for (timeout, at_least, below) in [(0, 0, 20), (50, 50, 500)] {
        let start = Instant::now();
        let before = kernel.now();
        kernel.wait(Some(Duration::from_millis(timeout)), &mut Vec::new()).expect("works");
        let took = start.elapsed().as_millis() as u64;
        assert!((at_least..below).contains(&took), "{timeout}: {took}");
        assert!(kernel.now() + 1 >= before + at_least);
    }
}

#[test]
fn other_threads_wake_by_the_eventfd_again_and_again() {
    let wakers = wakers(1);
    wakers[0].wake();
    let mut kernel = ring(0, &wakers, &Tuning::default());
    woken(&mut kernel);
    quiet(&mut kernel);
    for _ in 0..100 {
        let remote = Arc::clone(&wakers);
        let thread = thread::spawn(move || {
            (0..10).for_each(|_| remote[0].wake());
        });
        woken(&mut kernel);
        thread.join().expect("woke");
        kernel.wait(Some(Duration::from_millis(1)), &mut Vec::new()).expect("works");
    }
    kernel.wake(0);
    assert!(woken(&mut kernel) < Duration::from_millis(100));
}

/// Two rings on two threads play catch.
#[test]
fn rings_wake_each_other_by_message_and_without() {
    for dead_first in [false, true] {
        let wakers = wakers(2);
        let others = Arc::clone(&wakers);
        let (ready, begun) = mpsc::channel();
        let other = thread::spawn(move || {
            if dead_first {
                // Its place is taken by a second ring: messages would reach the first.
                drop(ring(1, &others, &Tuning::default()));
            }
            let mut kernel = ring(1, &others, &Tuning::default());
            ready.send(()).expect("heard");
            for _ in 0..500 {
                woken(&mut kernel);
                kernel.wake(0);
            }
            kernel.wait(Some(Duration::ZERO), &mut Vec::new()).expect("works");
        });
        let mut kernel = ring(0, &wakers, &Tuning::default());
        begun.recv().expect("begun");
        for _ in 0..500 {
            kernel.wake(1);
            woken(&mut kernel);
        }
        other.join().expect("woken 500 times");
        quiet(&mut kernel);
    }
}

#[test]
fn a_wake_before_the_other_ring_exists_is_kept() {
    let wakers = wakers(2);
    let mut first = ring(0, &wakers, &Tuning::default());
    first.wake(1);
    first.wait(Some(Duration::ZERO), &mut Vec::new()).expect("works");
    woken(&mut ring(1, &wakers, &Tuning::default()));
}

#[test]
fn a_wake_of_a_ring_that_has_ended_does_no_harm() {
    let wakers = wakers(2);
    let mut first = ring(0, &wakers, &Tuning::default());
    let others = Arc::clone(&wakers);
    thread::spawn(move || drop(ring(1, &others, &Tuning::default()))).join().expect("gone");
    for _ in 0..10 {
        first.wake(1);
        first.wait(Some(Duration::ZERO), &mut Vec::new()).expect("works");
    }
}
