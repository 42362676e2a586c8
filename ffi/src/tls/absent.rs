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
