//! Connections that the ring opens itself: connect, the first bytes and the receive in one go.

use super::{GROUP, Op, Ring, TAG_BITS};
use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fixed;
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

/// Makes a TCP socket for a connection to `server`. With `source`, it will leave from that address
/// and from a port that is chosen by `connect`, when the whole pair of addresses is known: so the
/// ports of one address can be used once per server and not once in all (ip(7),
/// `IP_BIND_ADDRESS_NO_PORT`).
pub fn socket(server: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<OwnedFd> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if let Some(source) = source {
        bind_address_only(&socket)?;
        rustix::net::bind(&socket, &SocketAddr::new(IpAddr::V4(source), 0))?;
    }
    Ok(socket)
}

fn bind_address_only(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is an int that lives during the call, and its size is the one announced.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Ring {
    /// Connects `socket` to `server` in a free slot, then sends a part of the arena and receives:
    /// three operations, each after the one before. When one fails, the next are cancelled
    /// (`ECANCELED`); each completes in any case. The slot is the only owner of the socket then.
    pub fn connect(
        &mut self,
        slot: u32,
        socket: &OwnedFd,
        server: SocketAddr,
        first: Range<usize>,
    ) -> io::Result<()> {
        self.ring.submitter().register_files_update(slot, &[socket.as_raw_fd()])?;
        if self.target.as_ref().is_some_and(|(address, _)| *address != server) {
            // What is queued points to the one that goes.
            self.ring.submit()?;
            self.target = None;
        }
        let (_, target) =
            self.target.get_or_insert_with(|| (server, Box::new(SocketAddrAny::from(server))));
        let connect = opcode::Connect::new(Fixed(slot), target.as_ptr().cast(), target.addr_len());
        let part = self.arena.get(first).expect("a range of the arena");
        let send = opcode::Send::new(Fixed(slot), part.as_ptr(), part.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL);
        let receive = opcode::RecvMulti::new(Fixed(slot), GROUP);
        let data = |op: Op| u64::from(slot) << TAG_BITS | op as u64;
        let chain: [Entry; 3] = [
            connect.build().flags(Flags::IO_LINK).user_data(data(Op::Connect)),
            send.build().flags(Flags::IO_LINK).user_data(data(Op::Send)),
            receive.build().user_data(data(Op::Receive)),
        ];
        // SAFETY: as for `push_tagged`. The address belongs to `self` and is boxed; the kernel
        // copies it when the entry is submitted, and until then it is not replaced: see above.
        while unsafe { self.ring.submission().push_multiple(&chain) }.is_err() {
            let _ = self.ring.submit();
        }
        Ok(())
    }

    /// Shuts a connection down in both directions: what is in flight completes.
    pub fn shut_down(&mut self, slot: u32) {
        let entry = opcode::Shutdown::new(Fixed(slot), libc::SHUT_RDWR).build();
        self.push(entry, Op::Shutdown, slot);
    }
}
