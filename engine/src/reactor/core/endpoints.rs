//! What there is one of for each endpoint.

/// One of a kind for each endpoint, by its number. The numbers are ours: no peer names one, so one
/// that is wrong is a mistake of this crate.
#[derive(Debug)]
pub(crate) struct ByEndpoint<T>(Vec<T>);

impl<T> ByEndpoint<T> {
    pub(crate) fn new(all: Vec<T>) -> Self {
        Self(all)
    }

    /// What is asked of each endpoint.
    pub(crate) fn each<S>(endpoints: &[S], asked: impl FnMut(&S) -> T) -> Self {
        Self(endpoints.iter().map(asked).collect())
    }

    #[inline(always)]
    pub(crate) fn of(&self, endpoint: u32) -> &T {
        &self.0[endpoint as usize]
    }

    pub(crate) fn set(&mut self, endpoint: u32, value: T) {
        self.0[endpoint as usize] = value;
    }

    pub(crate) fn push(&mut self, value: T) -> u32 {
        self.0.push(value);
        (self.0.len() - 1) as u32
    }
}
