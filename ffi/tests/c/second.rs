//! Another Rust static library, for both.c.

/// 1 if a thread can be made, and a panic in it caught.
#[unsafe(no_mangle)]
pub extern "C" fn second() -> i32 {
    let panics = || std::panic::resume_unwind(Box::new(()));
    std::thread::spawn(move || std::panic::catch_unwind(panics).is_err())
        .join()
        .unwrap_or(false)
        .into()
}
