//! Floor 0: the loops worth vectors, chosen at run time, each with a scalar oracle.

pub mod scalar;

pub use scalar::xor;
