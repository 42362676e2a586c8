//! Signals belong to the host: threads that the engine makes take none.

/// Runs `f` with every signal blocked on this thread, so that a thread made by it inherits the
/// mask; the old mask is back when it returns.
pub(crate) fn blocked<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(libc::sigset_t);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the set was filled in by pthread_sigmask below.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
        }
    }
    // SAFETY: a sigset_t of zeros is a valid place to write one to.
    let (mut all, mut old): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live sets of this frame.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
    }
    let _restore = Restore(old);
    f()
}
