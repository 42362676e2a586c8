//! The size rule of structs that begin with `size`, as openat2(2) has it: an older header's
//! smaller struct is completed with zeros, a newer header's larger one is taken if its unknown
//! tail is zero. So programs and libraries of different versions work together or say why not.

use crate::status::rws_status;
use std::mem::MaybeUninit;

/// No struct of ours will ever be larger; a larger `size` is an uninitialized one.
const SIZE_MAX: usize = 4096;

/// A struct that the caller fills, beginning with `size: u32`.
///
/// # Safety
/// `repr(C)`, the first field is a `u32`, and all zeros is a valid value.
pub(crate) unsafe trait Sized: Copy {
    /// Up to the end of the last field without which it means nothing.
    const SIZE_MIN: usize;
}

/// The `size` of a struct if it can be one.
///
/// # Safety
/// `from` is null or valid for reads of four bytes.
pub(crate) unsafe fn size_of_sized<T: Sized>(from: *const T) -> Result<usize, rws_status> {
    if from.is_null() {
        return Err(rws_status::RWS_E_INVALID);
    }
    // SAFETY: not null, so the caller has promised that four bytes can be read; a u32 is whatever
    // they are, wherever they lie.
    let size = unsafe { from.cast::<u32>().read_unaligned() } as usize;
    // The size of a struct is a multiple of its alignment: no field is cut in two.
    let fits = (T::SIZE_MIN..=SIZE_MAX).contains(&size) && size.is_multiple_of(align_of::<T>());
    if fits { Ok(size) } else { Err(rws_status::RWS_E_INVALID) }
}

/// Copies a struct in.
///
/// # Safety
/// `from` is null or valid for reads of as many bytes as its `size` says.
pub(crate) unsafe fn read<T: Sized>(from: *const T) -> Result<T, rws_status> {
    // SAFETY: null, or valid for as many bytes as its first four say; those are readable in any
    // case, since the smallest size that is accepted is larger.
    let size = unsafe { size_of_sized(from) }?;
    let known = size.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes may be read, as the caller has promised for what its `size` says, and
    // `known` is not more than that, nor than `value` has room for. Copied before they are read:
    // `from` may lie at any address.
    let tail = unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast(), known);
        std::slice::from_raw_parts(from.cast::<u8>().add(known), size - known)
    };
    if tail.iter().any(|&byte| byte != 0) {
        return Err(rws_status::RWS_E_UNSUPPORTED);
    }
    // SAFETY: the fields given are the caller's, the others zero, which the trait says is valid.
    Ok(unsafe { value.assume_init() })
}

/// Copies a struct out, all but its `size`; a tail that this version does not know becomes zero.
///
/// # Safety
/// `to` is null or valid for reads and writes of as many bytes as its `size` says.
pub(crate) unsafe fn write<T: Sized>(to: *mut T, value: T) -> Result<(), rws_status> {
    // SAFETY: null, or valid for as many bytes as its first four say, which includes these.
    let size = unsafe { size_of_sized(to.cast_const()) }?;
    let known = size.min(size_of::<T>());
    let first = size_of::<u32>();
    // SAFETY: `size` bytes may be written, as the caller has promised for what its `size` says; of
    // `value` no more than `known` bytes are read, which is all that it has at most. The two do not
    // overlap: `value` is this function's own.
    unsafe {
        let (from, to) = ((&raw const value).cast::<u8>(), to.cast::<u8>());
        std::ptr::copy_nonoverlapping(from.add(first), to.add(first), known - first);
        std::ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::rws_status::{RWS_E_INVALID, RWS_E_UNSUPPORTED};

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Old {
        size: u32,
        a: u32,
        b: u64,
        c: u64,
    }

    // SAFETY: repr(C), begins with a u32, integers only.
    unsafe impl Sized for Old {
        const SIZE_MIN: usize = 16;
    }

    #[repr(C)]
    struct New {
        old: Old,
        d: u64,
    }

    fn new(size: u32, d: u64) -> New {
        New { old: Old { size, a: 1, b: 2, c: 3 }, d }
    }

    fn read_new(new: &New) -> Result<Old, rws_status> {
        // SAFETY: no size used below is larger than the struct.
        unsafe { read(std::ptr::from_ref(new).cast::<Old>()) }
    }

    #[test]
    fn older_structs_are_completed_with_zeros() {
        assert_eq!(read_new(&new(24, 9)), Ok(Old { size: 24, a: 1, b: 2, c: 3 }));
        assert_eq!(read_new(&new(16, 9)), Ok(Old { size: 16, a: 1, b: 2, c: 0 }));
    }

    #[test]
    fn newer_structs_are_taken_if_nothing_new_is_asked_for() {
        assert_eq!(read_new(&new(32, 0)).map(|old| old.c), Ok(3));
        assert_eq!(read_new(&new(32, 1 << 63)), Err(RWS_E_UNSUPPORTED));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 4, 8, 15, 17, 23, 25, 4104, u32::MAX] {
            assert_eq!(read_new(&new(size, 0)), Err(RWS_E_INVALID), "{size}");
        }
        // SAFETY: null is allowed.
        assert_eq!(unsafe { read::<Old>(std::ptr::null()) }, Err(RWS_E_INVALID));
    }

    #[test]
    fn writes_as_much_as_there_is_room_for() {
        let value = Old { size: 0, a: 7, b: 8, c: 9 };
        for (size, expected) in [(16, (7, 8, 3, 5)), (24, (7, 8, 9, 5)), (32, (7, 8, 9, 0))] {
            let mut to = new(size, 5);
            // SAFETY: no size is larger than the struct.
            unsafe { write((&raw mut to).cast::<Old>(), value) }.unwrap();
            assert_eq!((to.old.a, to.old.b, to.old.c, to.d), expected, "{size}");
            assert_eq!(to.old.size, size);
        }
    }
}
