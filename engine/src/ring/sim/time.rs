//! How time passes: instant by instant, and what is handed over in each.

use super::{Completion, Lane, Sim, Socket};
use crate::tick::Tick;
use rustix::event::{PollFd, PollFlags, poll};

impl Sim {
    /// One instant: the world acts, the operations go on, what is complete is handed over.
    pub(super) fn step(&mut self, completions: &mut Vec<Completion>) -> Option<Tick> {
        let next = self.world.step(&mut self.net);
        if self.was_woken() {
            completions.push(Completion::Woken);
        }
        let active = self.progress();
        self.hand_over(completions);
        if active || !self.lanes.is_empty() { Some(self.net.now + 1) } else { next }
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

    /// Whether another thread has written to our eventfd.
    fn was_woken(&self) -> bool {
        let eventfd = self.wakers[self.index].eventfd();
        let mut polled = [PollFd::new(&eventfd, PollFlags::IN)];
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut polled, Some(&zero)) != Ok(1) {
            return false;
        }
        rustix::io::read(eventfd, &mut [0; 8]) == Ok(8)
    }
}
