//! Who owns what a C pointer names. Each opaque C type has one Rust type and one kind of
//! ownership, so that a reference to an `Arc` cannot meet the code that frees a `Box`.

use crate::status::rws_status;
use std::ffi::c_char;
use std::sync::Arc;

/// An opaque C type.
pub(crate) trait Opaque {
    /// What a pointer to it points at.
    type Rust;
    /// [`Boxed`], [`Shared`] or [`Lent`].
    type Kind;
}

/// C holds the only owner: `Box::into_raw`.
pub(crate) enum Boxed {}
/// C holds counted references: `Arc::into_raw`.
pub(crate) enum Shared {}
/// C may use it until the callback returns.
pub(crate) enum Lent {}

/// Hands an owner to C.
pub(crate) fn give<C: Opaque<Kind = Boxed>>(owner: Box<C::Rust>) -> *mut C {
    Box::into_raw(owner).cast()
}

/// Takes the owner back; `None` for null.
///
/// # Safety
/// `pointer` is null or came from [`give`], and is not used again.
pub(crate) unsafe fn take<C: Opaque<Kind = Boxed>>(pointer: *mut C) -> Option<Box<C::Rust>> {
    // SAFETY: not null, so it came from `Box::into_raw` of this type, and only once.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer.cast()) })
}

/// Hands one reference to C.
pub(crate) fn share<C: Opaque<Kind = Shared>>(value: C::Rust) -> *mut C {
    Arc::into_raw(Arc::new(value)).cast_mut().cast()
}

/// Counts one reference more; null stays null.
///
/// # Safety
/// `pointer` is null or a live reference that came from [`share`].
pub(crate) unsafe fn retain<C: Opaque<Kind = Shared>>(pointer: *mut C) -> *mut C {
    if !pointer.is_null() {
        // SAFETY: it came from `Arc::into_raw` of this type and its count is at least one.
        unsafe { Arc::increment_strong_count(pointer.cast::<C::Rust>()) };
    }
    pointer
}

/// Takes one reference back; null is fine.
///
/// # Safety
/// `pointer` is null or a live reference that came from [`share`]; the caller gives it up.
pub(crate) unsafe fn release<C: Opaque<Kind = Shared>>(pointer: *mut C) {
    if !pointer.is_null() {
        // SAFETY: it came from `Arc::into_raw` of this type, and the caller's count is taken.
        drop(unsafe { Arc::from_raw(pointer.cast::<C::Rust>()) });
    }
}

/// What a pointer names, whoever owns it; `RWS_E_INVALID` for null.
///
/// # Safety
/// `pointer` is null or names a live value of its type for the whole call.
pub(crate) unsafe fn borrow<'a, C: Opaque>(pointer: *const C) -> Result<&'a C::Rust, rws_status> {
    // SAFETY: null becomes `None`; else it names a live value of `C::Rust`, since only `give`,
    // `share` and `lend` make a `C`, each from a value of that type, and the caller keeps it alive
    // for the call.
    unsafe { pointer.cast::<C::Rust>().as_ref() }.ok_or(rws_status::RWS_E_INVALID)
}

/// What was lent to a callback; `RWS_E_INVALID` for null.
///
/// # Safety
/// `pointer` is null or was lent to the callback that is running on this thread.
pub(crate) unsafe fn lent<'a, C: Opaque<Kind = Lent>>(
    pointer: *mut C,
) -> Result<&'a mut C::Rust, rws_status> {
    // SAFETY: null becomes `None`; else it was lent to the callback that is running. Who has lent
    // it does not touch it before the callback returns, no call that takes it calls back, and the
    // callback runs on one thread: while a call uses this reference there is no other.
    unsafe { pointer.cast::<C::Rust>().as_mut() }.ok_or(rws_status::RWS_E_INVALID)
}

/// Writes text as snprintf does: cut to fit, with a NUL behind it. Its whole length.
///
/// # Safety
/// `out` is null or valid for writes of `size` bytes.
pub(crate) unsafe fn write_text(text: &str, out: *mut c_char, size: usize) -> usize {
    if !out.is_null() && size > 0 {
        let fits = text.len().min(size - 1);
        // SAFETY: `size` bytes may be written, and `fits` is less.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, fits);
            out.add(fits).write(0);
        }
    }
    text.len()
}

/// Writes an out-parameter that may be null.
///
/// # Safety
/// `out` is null or valid for a write.
pub(crate) unsafe fn write<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null, as was just seen, so the caller has promised room for a `T` there.
        unsafe { out.write(value) };
    }
}
