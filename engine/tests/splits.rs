//! Streams cut anywhere: whole, byte by byte and at every point, the result is the same.

#[path = "splits/frames.rs"]
mod frames;
#[path = "splits/heads.rs"]
mod heads;
#[path = "splits/machine.rs"]
mod machine;
#[path = "splits/random.rs"]
mod random;
