//! What a proxy has told of a connection, in a header of the PROXY protocol.

use crate::address::rws_address;
use crate::guard::status;
use crate::own;
use crate::request::look;
use crate::status::rws_status;
use crate::types::{rws_bytes, rws_request};

/// The value of the first TLV of that type in the PROXY header (version 2) of the connection:
/// RWS_TLV_*, or any other from 0 to 255; of one inside RWS_TLV_SSL its type + 0x2000. Of one that
/// is there and empty data is not NULL. On an endpoint without proxy_from, and of a connection that
/// comes from none of those, there is never one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_proxy_tlv(q: *const rws_request, kind: u32) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe {
        look(q, |visit| {
            let kind = u16::try_from(kind).ok()?;
            visit.asked().proxied()?.header.tlv(kind).map(rws_bytes::from)
        })
    }
}

/// The address of the proxy that has made the connection, of which rws_request_peer tells the
/// client's; RWS_FAMILY_NONE on a Unix socket. RWS_E_STATE: no proxy of proxy_from has made it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_proxy(
    q: *const rws_request,
    out: *mut rws_address,
) -> rws_status {
    status(|| {
        // SAFETY: the lent request or null.
        let visit = unsafe { own::borrow(q) }?;
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        let proxied = visit.asked().proxied().ok_or(rws_status::RWS_E_STATE)?;
        // SAFETY: not null.
        unsafe { own::write(out, proxied.proxy.into()) };
        Ok(rws_status::RWS_OK)
    })
}

#[cfg(test)]
mod tests {
    use crate::constants::*;
    use ringws_engine::proto::proxy::tlv;

    #[test]
    fn types_are_those_of_the_engine() {
        for (ours, its) in [
            (RWS_TLV_ALPN, tlv::ALPN),
            (RWS_TLV_AUTHORITY, tlv::AUTHORITY),
            (RWS_TLV_CRC32C, tlv::CRC32C),
            (RWS_TLV_NOOP, tlv::NOOP),
            (RWS_TLV_UNIQUE_ID, tlv::UNIQUE_ID),
            (RWS_TLV_SSL, tlv::SSL),
            (RWS_TLV_NETNS, tlv::NETNS),
            (RWS_TLV_SSL_VERSION, tlv::SSL_VERSION),
            (RWS_TLV_SSL_CN, tlv::SSL_CN),
            (RWS_TLV_SSL_CIPHER, tlv::SSL_CIPHER),
            (RWS_TLV_SSL_SIG_ALG, tlv::SSL_SIG_ALG),
            (RWS_TLV_SSL_KEY_ALG, tlv::SSL_KEY_ALG),
        ] {
            assert_eq!(ours, u32::from(its));
        }
    }
}
