//! The panic boundary: a bug in this library must not unwind into C.

use crate::status::{Failure, rws_error, rws_status};
use crate::tsan::Inside;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a function answers when its work panicked.
pub(crate) trait OnPanic {
    fn on_panic() -> Self;
}

macro_rules! on_panic {
    ($($value:expr => $type:ty),* $(,)?) => {
        $(impl OnPanic for $type { fn on_panic() -> Self { $value } })*
    };
}

on_panic! {
    () => (),
    0 => u32,
    0 => u64,
    0 => usize,
    crate::types::rws_bytes::ABSENT => crate::types::rws_bytes,
}

impl OnPanic for rws_status {
    fn on_panic() -> Self {
        Self::RWS_E_PANIC
    }
}

impl<T> OnPanic for *mut T {
    fn on_panic() -> Self {
        std::ptr::null_mut()
    }
}

impl<T> OnPanic for *const T {
    fn on_panic() -> Self {
        std::ptr::null()
    }
}

/// Runs the body of a function that cannot fail.
pub(crate) fn guard<T: OnPanic>(body: impl FnOnce() -> T) -> T {
    let _inside = Inside::enter();
    unseen(body)
}

/// As `guard`, for what touches no memory that others do: sends on the own reactor, which need be
/// short, and what a signal handler may call.
pub(crate) fn unseen<T: OnPanic>(body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Dropping a payload may panic again; a leak at the site of a bug is the smaller evil.
        std::mem::forget(payload);
        T::on_panic()
    })
}

/// Runs the body of a function that returns a status.
pub(crate) fn status(body: impl FnOnce() -> Result<rws_status, rws_status>) -> rws_status {
    guard(|| body().unwrap_or_else(|error| error))
}

/// Runs the body of a function that also explains its failure in `err`, which may be null.
///
/// # Safety
/// `err` is null or valid for a write.
pub(crate) unsafe fn report(
    err: *mut rws_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> rws_status {
    let _inside = Inside::enter();
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return rws_status::RWS_OK,
        Ok(Err(failure)) => failure,
        Err(payload) => {
            std::mem::forget(payload);
            rws_status::RWS_E_PANIC.into()
        }
    };
    let status = failure.status;
    if !err.is_null() {
        // SAFETY: not null, as was just seen, so the caller has promised room for an `rws_error`.
        unsafe { err.write(rws_error::from(failure)) };
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;

    #[test]
    fn panics_become_values() {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut err = MaybeUninit::<rws_error>::uninit();
        assert_eq!(status(|| panic!("bug")), rws_status::RWS_E_PANIC);
        assert_eq!(guard::<usize>(|| panic!("bug")), 0);
        assert!(guard::<*const u8>(|| panic!("bug")).is_null());
        // SAFETY: valid for a write, and written by the failure.
        let err = unsafe {
            assert_eq!(report(err.as_mut_ptr(), || panic!("bug")), rws_status::RWS_E_PANIC);
            err.assume_init()
        };
        assert_eq!(err.status, rws_status::RWS_E_PANIC);
        assert_ne!(err.text[0], 0);
        std::panic::set_hook(quiet);
    }
}
