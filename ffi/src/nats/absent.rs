//! A library without NATS.

use super::rws_nats_options;
use crate::status::{Failure, rws_status};
use ringws_engine::broker::Bus;

/// Says that there is none.
pub(super) unsafe fn bus(_: &rws_nats_options) -> Result<Box<dyn Bus>, Failure> {
    let text = "this library was built without NATS: build it with `cargo install-ringws --nats`, \
                or the cargo feature `nats`";
    Err(Failure::new(rws_status::RWS_E_UNSUPPORTED, 0, text))
}

#[cfg(test)]
mod tests {
    use super::super::{rws_engine_nats, rws_nats_options};
    use crate::engine::{rws_engine_free, rws_engine_new};
    use crate::status::{rws_error, rws_status};
    use std::ffi::CStr;
    use std::mem::{MaybeUninit, zeroed};
    use std::ptr::null;

    #[test]
    fn says_that_there_is_none() {
        let (mut engine, mut err) = (std::ptr::null_mut(), MaybeUninit::<rws_error>::uninit());
        // SAFETY: zero is a valid value of each field.
        let mut options: rws_nats_options = unsafe { zeroed() };
        options.size = size_of::<rws_nats_options>() as u32;
        options.servers = c"localhost".as_ptr();
        // SAFETY: all may be written, err is when it fails, and the engine is there.
        let (status, err) = unsafe {
            assert_eq!(rws_engine_new(null(), &mut engine, err.as_mut_ptr()), rws_status::RWS_OK);
            let status = rws_engine_nats(engine, &raw const options, err.as_mut_ptr());
            rws_engine_free(engine);
            (status, err.assume_init())
        };
        assert_eq!((status, err.status), (rws_status::RWS_E_UNSUPPORTED, status));
        // SAFETY: NUL-terminated, as the header says.
        let text = unsafe { CStr::from_ptr(err.text.as_ptr()) }.to_str().expect("UTF-8");
        assert!(text.contains("without NATS"), "{text}");
    }
}
