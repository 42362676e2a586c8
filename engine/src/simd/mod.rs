//! Floor 0: the loops worth vectors, chosen at run time, each with a scalar oracle.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod append;
mod scalar;
#[cfg(test)]
mod tests;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86_64;
mod xor;

pub use append::append;
pub use xor::{implementation, rotate, xor};
