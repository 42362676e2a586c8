//! A library without TLS.

use super::{Side, rws_tls_config};
use crate::status::{Failure, rws_status};
use ringws_engine::tls::{Client, Server};

/// There is none.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    /// Says that there is none.
    pub(crate) unsafe fn new(_: Side, _: &rws_tls_config) -> Result<Self, Failure> {
        let text = "this library was built without TLS (cargo feature `tls`)";
        Err(Failure::new(rws_status::RWS_E_UNSUPPORTED, 0, text))
    }

    /// Cannot be called.
    pub(crate) unsafe fn reload(&self, _: &rws_tls_config) -> Result<(), Failure> {
        match *self {}
    }

    /// Cannot be called.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        match *self {}
    }

    /// Cannot be called.
    pub(crate) fn server(&self) -> Result<Server, Failure> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use crate::status::rws_status;
    use crate::tls::rws_tls_client;
    use crate::types::rws_bytes;
    use std::ffi::CStr;
    use std::mem::MaybeUninit;

    #[test]
    fn says_that_there_is_none() {
        let (mut out, mut err) = (std::ptr::null_mut(), MaybeUninit::uninit());
        // SAFETY: both may be written, and err is when it fails.
        let (status, err) = unsafe {
            let status = rws_tls_client(rws_bytes::ABSENT, &raw mut out, err.as_mut_ptr());
            (status, err.assume_init())
        };
        assert_eq!((status, err.status), (rws_status::RWS_E_UNSUPPORTED, status));
        // SAFETY: NUL-terminated, as the header says.
        let text = unsafe { CStr::from_ptr(err.text.as_ptr()) }.to_str().expect("UTF-8");
        assert!(out.is_null() && text.contains("without TLS"), "{text}");
    }
}
