//! How time passes: instant by instant, and what is handed over in each.

use super::{Completion, Errno, FOREVER, GATHER_MS, KernelError, Lane, Sim, Socket};
use crate::tick::Tick;
use rustix::event::{PollFd, PollFlags, poll};
use std::time::Duration;

impl Sim {
    /// Lets time pass as a wait does, up to its end.
    pub(super) fn pass(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> Result<(), KernelError> {
        let left_until = self.left_until();
        let timeout = self.left_for.take().unwrap_or(timeout);
        if !self.pending.is_empty() {
            completions.append(&mut self.pending);
            return Ok(());
        }
        if self.choices.chance(self.net.faults.death) {
            return Err(KernelError { call: "io_uring_enter", errno: Errno::BADR });
        }
        if self.choices.chance(self.net.faults.stall) {
            self.stall();
        }
        let patience = timeout.map_or(FOREVER, |timeout| timeout.as_millis() as Tick);
        let deadline = left_until.unwrap_or(self.net.now + patience);
        let gathers = self.choices.chance(self.net.faults.gather);
        let least = self.net.now + if gathers { GATHER_MS } else { 0 };
        loop {
            let next = self.step(completions).filter(|&at| at <= deadline);
            let over = self.net.now >= deadline.min(self.horizon);
            if over || (!completions.is_empty() && self.net.now >= least) {
                return Ok(());
            }
            if !completions.is_empty() {
                self.net.now += 1;
                continue;
            }
            if self.choices.chance(self.net.faults.spurious) {
                return Ok(());
            }
            match (next, timeout) {
                (Some(at), _) => self.net.now = at.max(self.net.now + 1),
                (None, Some(_)) => self.net.now = deadline,
                (None, None) if self.horizon < FOREVER => self.net.now = self.horizon,
                (None, None) => {
                    self.stuck = true;
                    return Ok(());
                }
            }
            self.net.now = self.net.now.min(self.horizon);
        }
    }

    /// When a reactor that has left must be back.
    pub(super) fn left_until(&self) -> Option<Tick> {
        let patience = self.left_for?;
        let patience = patience.map_or(FOREVER, |patience| patience.as_millis() as Tick);
        Some(self.left_at + patience)
    }

    /// One instant: the world acts, the operations go on, what is complete is handed over.
    pub(super) fn step(&mut self, completions: &mut Vec<Completion>) -> Option<Tick> {
        let next = self.world.step(&mut self.net);
        let woken = self.is_woken();
        let late = woken && self.choices.chance(self.net.faults.wake);
        if woken && !late {
            self.take_wake();
            completions.push(Completion::Woken);
        }
        let active = self.progress();
        self.hand_over(completions);
        if active || late || !self.lanes.is_empty() { Some(self.net.now + 1) } else { next }
    }

    /// Our side is stopped: the peers go on, as far as the socket buffers let them.
    pub(super) fn stall(&mut self) {
        let until = self.net.now + *self.choices.pick(&[300, 30, 5_000, 100_000]);
        self.net.stalled = true;
        loop {
            let next = self.world.step(&mut self.net).unwrap_or(until);
            if self.net.now >= until {
                break;
            }
            self.net.now = next.clamp(self.net.now + 1, until);
        }
        self.net.stalled = false;
    }

    fn hand_over(&mut self, completions: &mut Vec<Completion>) {
        if self.choices.chance(self.net.faults.spurious) {
            completions.push(Completion::Woken);
        }
        let mut lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        while !lanes.is_empty() {
            let at = self.choices.below(lanes.len());
            let lane = lanes[at];
            if self.choices.chance(self.net.faults.hold) {
                lanes.swap_remove(at);
                continue;
            }
            let queue = self.lanes.get_mut(&lane).expect("a lane of the map");
            let completion = queue.pop_front().expect("lanes in the map are not empty");
            if queue.is_empty() {
                self.lanes.remove(&lane);
                lanes.swap_remove(at);
            }
            self.settle(lane, &completion);
            completions.push(completion);
        }
    }

    /// What changes for the reactor when it learns of a completion.
    fn settle(&mut self, lane: Lane, completion: &Completion) {
        match (lane, completion) {
            (
                Lane::Receive(socket),
                Completion::Received { more: false, .. }
                | Completion::ReceivedInto { .. }
                | Completion::HungUp { .. },
            ) => {
                self.local(Socket(socket)).receive_out = false;
            }
            (Lane::Send(socket), _) => self.local(Socket(socket)).send_out = false,
            (Lane::Close(socket), _) => self.sockets[socket as usize] = None,
            (Lane::Accept(listener), _) => self.listeners[listener].out -= 1,
            _ => {}
        }
    }

    /// Whether another thread has written to our eventfd, and we have not noticed.
    pub fn is_woken(&self) -> bool {
        let eventfd = self.wakers[self.index].eventfd();
        let mut polled = [PollFd::new(&eventfd, PollFlags::IN)];
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&zero)) == Ok(1)
    }

    fn take_wake(&self) {
        let read = rustix::io::read(self.wakers[self.index].eventfd(), &mut [0; 8]);
        assert_eq!(read, Ok(8), "it was readable");
    }
}
