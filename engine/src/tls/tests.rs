//! Sessions against each other, in memory.
