//! What the records of a succession say. Both processes may be of different versions of this
//! library: the first record names the version of the format, and one that is not known is refused
//! before anything has happened.

use super::coding::{Reader, Writer};
use crate::bus::Manner;
use crate::conn::{CarriedDeflate, Carry, QueuePolicy, WhenFull};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::reactor::{CARRIED_MAX, Carried, CarriedTopic, CrossesOut, Cut, STATE_MAX, Takes};
use crate::ring::Credentials;
use crate::succession::SuccessionError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Of the format.
pub(crate) const VERSION: u16 = 2;
const MAGIC: [u8; 4] = *b"rwsS";

/// Kinds of records, in the order in which they come.
pub(crate) const HELLO: u8 = 1;
pub(crate) const LISTENER: u8 = 2;
pub(crate) const READY: u8 = 3;
pub(crate) const CONNECTION: u8 = 4;
pub(crate) const ANSWER: u8 = 5;
pub(crate) const END: u8 = 6;
/// Nobody waits for connections in the old process any more. A wait that was cancelled may have
/// been told of one (polls of accepts are exclusive), and nobody else was.
pub(crate) const QUIET: u8 = 7;
/// What was published; from `READY` on, in both directions.
pub(crate) const PUBLISHED: u8 = 8;
/// The begin of the body of the next record, which is long.
pub(crate) const PART: u8 = 9;
/// Between `LISTENER` and `READY`: the new process is about to accept; from the answer on what is
/// published is for both.
pub(crate) const LANE: u8 = 10;

const TEXT_MAX: usize = 4 << 10;
const ENDPOINTS_MAX: u16 = 4 << 10;
const ROUTES_MAX: u16 = 16 << 10;
const TOPICS_MAX: u32 = 1 << 20;
const TOPIC_MAX: usize = u16::MAX as usize;

type Read<T> = Result<T, SuccessionError>;

/// The manners of publishing but `Latest`, by their numbers from 2 on.
const POLICIES: [WhenFull; 5] = [
    WhenFull::Refuse,
    WhenFull::DropNewest,
    WhenFull::DropOldest,
    WhenFull::Close,
    WhenFull::Abort,
];

/// An endpoint as the other process knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// Where it listens, as it was asked for.
    pub(crate) place: String,
    /// The patterns of its routes.
    pub(crate) routes: Vec<String>,
}

/// What the old process has: its endpoints, how many listening sockets follow, and how the names of
/// topics begin that come from its bus.
pub(crate) fn hello(endpoints: &[Described], listeners: usize, bus: Option<&[u8]>) -> Vec<u8> {
    let mut out = Writer::default();
    out.0.extend_from_slice(&MAGIC);
    out.u16(VERSION);
    out.u32(listeners as u32);
    out.u16(endpoints.len() as u16);
    for Described { place, routes } in endpoints {
        out.bytes(place.as_bytes());
        out.u16(routes.len() as u16);
        routes.iter().for_each(|route| out.bytes(route.as_bytes()));
    }
    out.option(bus, Writer::bytes);
    out.0
}

/// A prefix of names of topics.
pub(crate) type Prefix = Option<Box<[u8]>>;

pub(crate) fn read_hello(body: &[u8]) -> Read<(Vec<Described>, u32, Prefix)> {
    let mut from = Reader(body);
    if from.array()? != MAGIC {
        return Err(SuccessionError::Malformed("no hand-over of ringws"));
    }
    let version = from.u16()?;
    if version != VERSION {
        return Err(SuccessionError::Version(version));
    }
    let listeners = from.u32()?;
    let count = within(from.u16()?, ENDPOINTS_MAX)?;
    let endpoints = (0..count).map(|_| {
        let place = from.text(TEXT_MAX)?.to_owned();
        let routes = within(from.u16()?, ROUTES_MAX)?;
        let routes = (0..routes).map(|_| from.text(TEXT_MAX).map(str::to_owned));
        Ok(Described { place, routes: routes.collect::<Read<_>>()? })
    });
    let endpoints = endpoints.collect::<Read<_>>()?;
    let bus = read_prefix(&mut from)?;
    from.end()?;
    Ok((endpoints, listeners, bus))
}

fn read_prefix(from: &mut Reader<'_>) -> Read<Prefix> {
    from.option(|from| Ok(from.bytes(TEXT_MAX)?.into()))
}

fn within(count: u16, most: u16) -> Read<u16> {
    (count <= most).then_some(count).ok_or(SuccessionError::Malformed("too many"))
}

/// For each endpoint and route of the old process, what the new one has for it.
pub(crate) fn ready(takes: &[Takes]) -> Vec<u8> {
    let mut out = Writer::default();
    out.u32(takes.len() as u32);
    for Takes { any, deflated } in takes {
        out.u8(u8::from(*any) | u8::from(*deflated) << 1);
    }
    out.0
}

/// Of so many.
pub(crate) fn read_ready(body: &[u8], count: usize) -> Read<Vec<Takes>> {
    let mut from = Reader(body);
    if from.u32()? as usize != count {
        return Err(SuccessionError::Malformed("of other endpoints"));
    }
    let takes = from.take(count)?;
    let takes = takes.iter().map(|t| Takes { any: t & 1 != 0, deflated: t & 2 != 0 }).collect();
    from.end()?;
    Ok(takes)
}

/// How the names of topics begin that come from the new process's bus.
pub(crate) fn lane(bus: Option<&[u8]>) -> Vec<u8> {
    let mut out = Writer::default();
    out.option(bus, Writer::bytes);
    out.0
}

pub(crate) fn read_lane(body: &[u8]) -> Read<Prefix> {
    let mut from = Reader(body);
    let bus = read_prefix(&mut from)?;
    from.end()?;
    Ok(bus)
}

/// Whether the connection of that number is the new process's now.
pub(crate) fn answer(number: u64, taken: bool) -> Vec<u8> {
    let mut out = Writer::default();
    out.u64(number);
    out.u8(u8::from(taken));
    out.0
}

pub(crate) fn read_answer(body: &[u8]) -> Read<(u64, bool)> {
    let mut from = Reader(body);
    let said = (from.u64()?, from.flag()?);
    from.end()?;
    Ok(said)
}

/// An open connection.
pub(crate) fn connection(number: u64, of: &Carried) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(128 + of.len()));
    out.u64(number);
    out.u32(of.endpoint);
    out.option(of.conn.deflate, |out, CarriedDeflate { bits, ours, theirs }| {
        out.u8(bits);
        out.u8(u8::from(ours) | u8::from(theirs) << 1);
    });
    out.option(of.conn.asked_ping, |out, says| out.0.extend_from_slice(&says));
    out.option(of.conn.policy, |out, policy| {
        out.u8(policy.when_full as u8);
        out.option(policy.send_queue_max, Writer::u32);
        out.option(policy.queue_age_max_ms, Writer::u32);
    });
    out.u32(of.conn.dropped);
    out.option(of.peer, address);
    out.option(of.credentials, |out, Credentials { pid, uid, gid }| {
        out.u32(pid.cast_unsigned());
        out.u32(uid);
        out.u32(gid);
    });
    out.u8(u8::from(of.paused));
    out.option(of.lifetime_ms, Writer::u64);
    out.bytes(&of.early);
    out.u32(of.topics.len() as u32);
    for CarriedTopic { name, position } in &of.topics {
        out.bytes(name);
        out.option(position.as_deref(), |out, position| out.bytes(position.as_bytes()));
    }
    out.option(of.seam.as_ref(), |out, seam| {
        out.u64(seam.was);
        out.u64(seam.cut.ours);
        out.u64(seam.cut.theirs);
    });
    out.bytes(&of.state);
    out.0
}

/// Where a connection was, and up to where it has heard what is published, as this process has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) was: u64,
    pub(crate) cut: Cut,
}

/// Without its seam.
pub(crate) fn read_connection(body: &[u8]) -> Read<(u64, Carried, Option<Left>)> {
    let mut from = Reader(body);
    let (number, endpoint) = (from.u64()?, from.u32()?);
    let conn = Carry {
        deflate: from.option(|from| {
            let (bits, takeover) = (from.u8()?, from.u8()?);
            if !(8..=15).contains(&bits) || takeover > 3 {
                return Err(SuccessionError::Malformed("compression that there is not"));
            }
            Ok(CarriedDeflate { bits, ours: takeover & 1 != 0, theirs: takeover & 2 != 0 })
        })?,
        asked_ping: from.option(Reader::array)?,
        policy: from.option(read_policy)?,
        dropped: from.u32()?,
    };
    let peer = from.option(read_address)?;
    let credentials = from.option(|from| {
        let (pid, uid, gid) = (from.u32()?.cast_signed(), from.u32()?, from.u32()?);
        Ok(Credentials { pid, uid, gid })
    })?;
    let (paused, lifetime_ms) = (from.flag()?, from.option(Reader::u64)?);
    let early = from.bytes(CARRIED_MAX)?.into();
    let topics = from.u32()?;
    if topics > TOPICS_MAX {
        return Err(SuccessionError::Malformed("more topics than there may be"));
    }
    let topics = (0..topics).map(|_| {
        let name = from.bytes(TOPIC_MAX)?.into();
        let position = from.option(|from| Ok(from.text(CARRIED_MAX)?.into()))?;
        Ok(CarriedTopic { name, position })
    });
    let topics = topics.collect::<Read<_>>()?;
    let left = from.option(|from| {
        let (was, ours, theirs) = (from.u64()?, from.u64()?, from.u64()?);
        Ok(Left { was, cut: Cut { ours, theirs }.seen_from_there() })
    })?;
    let state = from.bytes(STATE_MAX)?.into();
    from.end()?;
    let is_back = false;
    let carried = Carried {
        endpoint,
        conn,
        peer,
        credentials,
        paused,
        lifetime_ms,
        early,
        topics,
        seam: None,
        state,
        is_back,
    };
    Ok((number, carried, left))
}

fn read_policy(from: &mut Reader<'_>) -> Read<QueuePolicy> {
    let when_full = POLICIES.get(usize::from(from.u8()?)).copied();
    Ok(QueuePolicy {
        when_full: when_full.ok_or(SuccessionError::Malformed("a policy that there is not"))?,
        send_queue_max: from.option(Reader::u32)?,
        queue_age_max_ms: from.option(Reader::u32)?,
    })
}

fn address(out: &mut Writer, at: SocketAddr) {
    match at {
        SocketAddr::V4(v4) => {
            out.u8(4);
            out.0.extend_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.u8(6);
            out.0.extend_from_slice(&v6.ip().octets());
            out.u32(v6.scope_id());
        }
    }
    out.u16(at.port());
}

fn read_address(from: &mut Reader<'_>) -> Read<SocketAddr> {
    match from.u8()? {
        4 => {
            let ip = Ipv4Addr::from(from.array::<4>()?);
            Ok(SocketAddr::new(IpAddr::V4(ip), from.u16()?))
        }
        6 => {
            let (ip, scope) = (Ipv6Addr::from(from.array::<16>()?), from.u32()?);
            Ok(SocketAddrV6::new(ip, from.u16()?, 0, scope).into())
        }
        _ => Err(SuccessionError::Malformed("an address of no family")),
    }
}

/// A message that was published in the other process.
pub(crate) struct Published<'a> {
    pub(crate) number: u64,
    pub(crate) except: u64,
    pub(crate) topic: &'a [u8],
    pub(crate) message: Outgoing,
    pub(crate) manner: Manner,
}

pub(crate) fn published(CrossesOut { number, topic, what }: &CrossesOut) -> Vec<u8> {
    let payload = what.message.payload();
    let mut out = Writer(Vec::with_capacity(64 + topic.len() + payload.len()));
    out.u64(*number);
    out.u64(what.except.to_bits());
    out.bytes(topic);
    match what.manner {
        Manner::Queued => out.u8(0),
        Manner::Latest(key) => {
            out.u8(1);
            out.u64(key);
        }
        // Each is in the table.
        Manner::By(when) => {
            out.u8(2 + POLICIES.iter().position(|one| *one == when).unwrap_or(0) as u8);
        }
    }
    out.u8(what.message.opcode() as u8);
    out.u8(u8::from(what.message.may_deflate()));
    out.0.extend_from_slice(payload);
    out.0
}

/// Its text was checked by whoever made it, as for members over there.
pub(crate) fn read_published(body: &[u8]) -> Read<Published<'_>> {
    let mut from = Reader(body);
    let (number, except, topic) = (from.u64()?, from.u64()?, from.bytes(TOPIC_MAX)?);
    let manner = match from.u8()? {
        0 => Manner::Queued,
        1 => Manner::Latest(from.u64()?),
        nth => {
            let policy = POLICIES.get(usize::from(nth - 2)).copied();
            Manner::By(policy.ok_or(SuccessionError::Malformed("a policy that there is not"))?)
        }
    };
    let opcode = Opcode::from_wire(from.u8()?);
    let opcode = opcode.ok_or(SuccessionError::Malformed("an opcode that there is not"))?;
    let may_deflate = from.flag()?;
    let Reader(payload) = from;
    let message = Outgoing::copied(opcode, payload);
    let message = if may_deflate { message } else { message.into_plain() };
    Ok(Published { number, except, topic, message, manner })
}
