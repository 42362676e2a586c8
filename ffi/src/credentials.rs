//! `rws_credentials`: who has connected to a Unix socket.

use crate::conn::{must_be_here, rws_conn_reactor};
use crate::guard::status;
use crate::own;
use crate::status::rws_status;
use crate::types::{rws_conn, rws_reactor, rws_request};
use ringws_engine::ring::Credentials;

/// A process that has connected to a Unix socket, as it was then (SO_PEERCRED of unix(7))
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rws_credentials {
    /// its number in your namespace, 0 if it is in another; it may have ended, and another process
    /// may have the number: no proof of anything
    pub pid: i32,
    /// its effective user
    pub uid: u32,
    /// its effective group
    pub gid: u32,
}

impl From<Credentials> for rws_credentials {
    fn from(Credentials { pid, uid, gid }: Credentials) -> Self {
        Self { pid, uid, gid }
    }
}

/// Who has connected, in on_close too; in on_upgrade: rws_request_credentials. RWS_E_INVALID: it
/// is no Unix socket, a proxy of proxy_from has told of a client elsewhere, or the kernel does not
/// tell. RWS_E_STATE: another reactor's connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_peer_credentials(
    r: *mut rws_reactor,
    c: rws_conn,
    out: *mut rws_credentials,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        must_be_here(ctx, c.id, rws_conn_reactor(c))?;
        ctx.user(c.into()).ok_or(rws_status::RWS_E_GONE)?;
        let who = ctx.credentials(c.into()).ok_or(rws_status::RWS_E_INVALID)?;
        // SAFETY: not null.
        unsafe { own::write(out, who.into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// Who has connected. RWS_E_INVALID as rws_peer_credentials.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_credentials(
    q: *const rws_request,
    out: *mut rws_credentials,
) -> rws_status {
    status(|| {
        // SAFETY: the lent request or null.
        let visit = unsafe { own::borrow(q) }?;
        let who = visit.asked().credentials().filter(|_| !out.is_null());
        // SAFETY: not null.
        unsafe { own::write(out, who.ok_or(rws_status::RWS_E_INVALID)?.into()) };
        Ok(rws_status::RWS_OK)
    })
}
