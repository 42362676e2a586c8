//! Floor 0: the loops worth vectors, chosen at run time, each with a scalar oracle.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod implementation;
mod scalar;
mod short;
#[cfg(test)]
mod tests;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86_64;
mod xor;

pub use implementation::rotate;
pub use short::{ONE_BLOCK, TWO_ENDS_MAX, append, unmask_short};
pub use xor::{implementation, xor};
