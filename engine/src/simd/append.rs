//! Copying what has just been unmasked.

/// Appends a header and a short payload to `to`, which must have room for both: in steps of 16, 8,
/// 4 and 1 bytes, as `xor` stores short payloads. A copy in other steps, `memcpy`'s for one, has
/// loads that span two of those stores, and waits for them: at 20 bytes that is most of its time.
///
/// # Panics
/// When there is no room.
#[inline(always)]
pub fn append(to: &mut Vec<u8>, header: [u8; 2], payload: &[u8]) {
    let (start, len) = (to.len(), header.len() + payload.len());
    assert!(to.capacity() - start >= len, "room was made");
    let (vectors, rest) = payload.as_chunks::<16>();
    let (words, rest) = rest.as_chunks::<8>();
    let (halves, rest) = rest.as_chunks::<4>();
    // SAFETY: `len` bytes fit behind the vector's end, as was asserted, and `len` is written, piece
    // behind piece. `payload` cannot overlap: `to` is borrowed for writing.
    unsafe {
        let mut at = to.as_mut_ptr().add(start);
        at.cast::<[u8; 2]>().write_unaligned(header);
        at = at.add(2);
        for vector in vectors {
            at.cast::<[u8; 16]>().write_unaligned(*vector);
            at = at.add(16);
        }
        for word in words {
            at.cast::<[u8; 8]>().write_unaligned(*word);
            at = at.add(8);
        }
        for half in halves {
            at.cast::<[u8; 4]>().write_unaligned(*half);
            at = at.add(4);
        }
        for byte in rest {
            at.write(*byte);
            at = at.add(1);
        }
        to.set_len(start + len);
    }
}
