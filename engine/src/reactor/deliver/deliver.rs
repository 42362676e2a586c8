//! From received bytes to callbacks.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::conn::{BatchOf, Data, Event, LoneMessage, MessageBatch};
use crate::proto::{Answer, Input, Opcode};
use crate::reactor::api::call::{handle_of, with_env};
use crate::reactor::api::contract::Context;
use crate::reactor::api::contract::Handler;
use crate::reactor::api::setup::Served;
use crate::reactor::api::upgrade::{Message, Messages};
use crate::reactor::client::greet::greet;
use crate::reactor::core::endpoints::ByEndpoint;
use crate::reactor::core::name::Conn;
use crate::reactor::core::slab::Phase;
use crate::reactor::deliver::requests::requested;
use crate::reactor::deliver::shared::{Delivery, SHARE_MIN};

/// Feeds bytes to a connection until they are used up or the application stops it, and hands what
/// happened to the handler. What a pause leaves over is parked, and what is left when the
/// connection has inflated enough for one turn.
pub(crate) fn deliver(
    ctx: &mut Context,
    endpoints: &ByEndpoint<Served>,
    index: u32,
    bytes: &mut [u8],
) {
    let mut handler = &*endpoints.of(ctx.slab.at(index).endpoint).handler;
    let conn = handle_of(ctx, index);
    let mut input = Input::new(bytes);
    let mut served = false;
    loop {
        let slot = ctx.slab.at(index);
        if slot.phase != Phase::Live || slot.abort {
            return;
        }
        if slot.holds() || served {
            park(ctx, index, input.peek());
            break;
        }
        match with_env(ctx, index, |conn, env| conn.receive(&mut input, env)) {
            Ok(Some(Event::Batch(batch))) => {
                deliver_batch(ctx, handler, conn, batch);
                if input.is_empty() {
                    break;
                }
                served = ctx.has_inflated(index);
            }
            Ok(Some(Event::Request(request))) => {
                requested(ctx, endpoints, conn, request);
                // Its path may have led to a route.
                handler = &*endpoints.of(ctx.slab.at(index).endpoint).handler;
            }
            Ok(Some(event)) => {
                act(ctx, handler, conn, event);
                served = ctx.has_inflated(index);
            }
            Ok(None) => {
                ctx.weigh(index);
                break;
            }
            Err(_) => {
                ctx.has_inflated(index);
                return ctx.mark_dirty(index);
            }
        }
    }
    // Of messages that were dropped, too.
    ctx.has_inflated(index);
    // A control frame may have queued an answer without the application's doing.
    if ctx.slab.at(index).conn.buffered() > 0 {
        ctx.mark_dirty(index);
    }
}

/// Delivers whole messages that lie where they came. What is not delivered of them because the
/// application stops it is parked, or dropped with the connection.
#[inline]
fn deliver_batch(ctx: &mut Context, handler: &dyn Handler, conn: Conn, batch: MessageBatch<'_>) {
    let batch = match batch.of {
        BatchOf::Short(short) => short,
        BatchOf::Lone(LoneMessage { opcode, room, payload }) => {
            let user = ctx.slab.at(conn.slot()).user;
            ctx.source.offer(opcode, room, payload);
            let message = Message { opcode, payload, first: true, last: true, user };
            deliver_message(ctx, handler, conn, message);
            return ctx.source.withdraw();
        }
    };
    ctx.begin_batch(conn);
    let mut messages = handler.on_messages(ctx, conn, Messages { batch });
    while let Some(message) = messages.next(ctx) {
        handler.on_message(ctx, conn, message);
    }
    ctx.end_batch();
    let (texts, binaries, bytes) = messages.batch.taken();
    ctx.counters.count_in(texts, binaries, bytes);
    if messages.batch.left() == 0 {
        return;
    }
    let slot = ctx.slab.at(conn.slot());
    if slot.holds() {
        park(ctx, conn.slot(), messages.batch.put_back());
    } else {
        slot.conn.count_unread(messages.batch.left());
    }
}

/// Keeps bytes until the application reads again, or their turn comes. Copied: a lease must not
/// wait for it.
pub(crate) fn park(ctx: &mut Context, index: u32, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    ctx.counters.bytes_copied.add(bytes.len() as u64);
    ctx.slab.at(index).park(bytes);
    ctx.weigh(index);
}

/// Delivers what was parked; what a new pause leaves over is parked again.
pub(crate) fn unpark(ctx: &mut Context, endpoints: &ByEndpoint<Served>, index: u32) {
    let mut parked = ctx.slab.at(index).take_parked();
    deliver(ctx, endpoints, index, &mut parked);
    let now = ctx.served.now;
    let slot = ctx.slab.at(index);
    if slot.has_ended() && !slot.has_parked() {
        slot.conn.end_of_stream(now);
    }
}

#[inline(always)]
fn deliver_message(ctx: &mut Context, handler: &dyn Handler, conn: Conn, message: Message<'_>) {
    ctx.counters.count_in_one(message.opcode, message.first, message.payload.len());
    handler.on_message(ctx, conn, message);
}

/// Tells the handler.
#[inline(never)]
pub(crate) fn act(ctx: &mut Context, handler: &dyn Handler, conn: Conn, event: Event<'_>) {
    match event {
        Event::Batch(batch) => deliver_batch(ctx, handler, conn, batch),
        Event::Message { opcode, data: Data::Owned(bytes), first, last } => {
            deliver_owned(ctx, handler, conn, (opcode, first, last), bytes);
        }
        Event::Message { opcode, data: Data::Borrowed(payload), first, last } => {
            let user = ctx.slab.at(conn.slot()).user;
            let message = Message { opcode, payload, first, last, user };
            deliver_message(ctx, handler, conn, message);
        }
        Event::Pong(payload) => {
            handler.on_pong(ctx, conn, payload.as_slice());
            if let Data::Owned(bytes) = payload {
                ctx.pool.put(bytes);
            }
        }
        Event::Close => ctx.mark_dirty(conn.slot()),
        // Only `deliver` has what leads to these.
        Event::Request(_) => {}
        Event::Open(answer) => opened(ctx, handler, conn, answer),
        Event::Tunnel => greet(ctx, conn.slot()),
    }
}

/// Delivers what was assembled, received directly or inflated. A large message lies in memory that
/// what the callback sends of it may share.
fn deliver_owned(
    ctx: &mut Context,
    handler: &dyn Handler,
    conn: Conn,
    (opcode, first, last): (Opcode, bool, bool),
    bytes: Vec<u8>,
) {
    let user = ctx.slab.at(conn.slot()).user;
    if !(first && last && bytes.len() >= SHARE_MIN) {
        let message = Message { opcode, payload: &bytes, first, last, user };
        deliver_message(ctx, handler, conn, message);
        return ctx.pool.put(bytes);
    }
    let capacity = bytes.capacity();
    let shared = ctx.pool.share(bytes);
    let outer = ctx.source.begin(Delivery::of_vector(opcode, shared.clone(), capacity));
    let message = Message { opcode, payload: shared.bytes(), first, last, user };
    deliver_message(ctx, handler, conn, message);
    ctx.source.end(outer);
}

/// The server has accepted what we asked for.
#[cold]
fn opened(ctx: &mut Context, handler: &dyn Handler, conn: Conn, answer: Answer<'_>) {
    ctx.mark_dirty(conn.slot());
    ctx.count_opened(None);
    ctx.begin_lifetime(conn.slot());
    ctx.answer = Some((conn, answer.into_owned()));
    handler.on_open(ctx, conn);
    ctx.answer = None;
}
