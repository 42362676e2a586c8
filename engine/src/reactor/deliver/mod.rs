//! From received bytes to callbacks, and short answers back.

pub(crate) mod admit;
#[expect(clippy::module_inception, reason = "the way itself")]
pub(crate) mod deliver;
#[cfg(feature = "tls")]
pub(crate) mod handshakes;
pub(crate) mod inflating;
pub(crate) mod line;
pub(crate) mod requests;
pub(crate) mod shared;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod weigh;
pub(crate) mod writer;
