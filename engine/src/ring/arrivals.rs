//! Sockets that are coming into the table.

use std::cell::UnsafeCell;
use std::os::fd::{AsRawFd, OwnedFd};

/// Room for one socket that is coming in.
struct Place {
    /// The kernel reads the descriptor here, and writes the number of its place in the table. Not
    /// moved: boxed.
    number: Box<UnsafeCell<i32>>,
    /// While it comes: its name, and the descriptor, which has to be open until it has come.
    coming: Option<(u32, OwnedFd)>,
}

/// Sockets that are coming in. Nothing is allocated once it has grown to the most of them.
#[derive(Default)]
pub(super) struct Arrivals {
    places: Vec<Place>,
    vacant: Vec<u32>,
}

impl Arrivals {
    /// One comes. What is returned is valid and in place until [`Arrivals::land`].
    pub(super) fn launch(&mut self, name: u32, socket: OwnedFd) -> (u32, *const i32) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.places.push(Place { number: Box::default(), coming: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        *place.number.get_mut() = socket.as_raw_fd();
        place.coming = Some((name, socket));
        (index, place.number.get())
    }

    /// It has come, or not: its name, and its number in the table. The descriptor is closed: where
    /// the table has the socket that ends nothing.
    pub(super) fn land(&mut self, index: u32) -> Option<(u32, u32)> {
        let place = self.places.get_mut(index as usize)?;
        let (name, _) = place.coming.take()?;
        self.vacant.push(index);
        Some((name, *place.number.get_mut() as u32))
    }
}
