//! What is done with what comes.

use super::chat::Rooms;
use super::files::Files;
use ringws_engine::conn::{Queued, SendFlags};
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::CloseCode;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::reactor::{Asked, Closed, Conn, Context, Handler, Later, Message, Upgrade};

/// Echo or chat, files and metrics.
pub(super) struct Service {
    /// A chat if there are rooms, else an echo.
    pub(super) rooms: Option<Rooms>,
    pub(super) files: Option<Files>,
    pub(super) metrics: bool,
}

/// The longest name of a room: `Config::topic_bytes_max`.
const PATH_MAX: usize = 256;

impl Handler for Service {
    fn on_upgrade(&self, _ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        if let Some(rooms) = &self.rooms {
            let path = upgrade.request().path().into_owned();
            if path.len() > PATH_MAX {
                return Err(Refusal::new(414).because("the name of a room is too long"));
            }
            upgrade.set_user(rooms.enter(&path));
        }
        Ok(())
    }

    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let Some(room) = self.room(ctx.user(conn)) else { return };
        if ctx.join(conn, &room).is_err() {
            let _ = ctx.abort(conn);
        }
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        if let Some(room) = self.room(Some(message.user)) {
            let said = Outgoing::copied(message.opcode, message.payload);
            // Whoever speaks hears it, too: in its place among what others say.
            if ctx.publish(&room, &said, None).is_err() {
                let _ = ctx.close(conn, CloseCode::TRY_AGAIN, "too much is being said");
            }
            return;
        }
        let flags = SendFlags::default();
        if ctx.send(conn, message.opcode, message.payload, flags) == Ok(Queued::Full) {
            // A slow reader: it is not read from until it reads.
            let _ = ctx.pause(conn);
        }
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        let _ = ctx.resume(conn);
    }

    fn on_close(&self, ctx: &mut Context, conn: Conn, _closed: &mut Closed<'_>) {
        if let (Some(rooms), Some(number)) = (&self.rooms, ctx.user(conn)) {
            rooms.leave(number);
        }
    }

    fn on_request(&self, ctx: &mut Context, asked: &Asked<'_>) -> Reply {
        let request = asked.request();
        let path = request.path().into_owned();
        if !matches!(request.method(), "GET" | "HEAD") {
            return with(Reply::new(405), &[("Allow", "GET, HEAD")]);
        }
        if self.metrics && path == b"/metrics" {
            let reply = Reply::new(200).with_body(ctx.engine().metrics());
            return with(reply, &[("Content-Type", "text/plain; version=0.0.4")]);
        }
        let Some(files) = &self.files else { return Reply::new(404) };
        match asked.later() {
            // A disk may be slow: it is not for a reactor to wait for it.
            Ok(later) => files.ask(later, path),
            Err(_) => return Reply::new(503),
        }
        Reply::new(500)
    }

    fn on_gone(&self, _ctx: &mut Context, _later: Later, _user: usize) {}
}

impl Service {
    fn room(&self, number: Option<usize>) -> Option<std::sync::Arc<[u8]>> {
        self.rooms.as_ref()?.of(number?)
    }
}

/// With headers that are known to be good.
pub(super) fn with(mut reply: Reply, headers: &[(&str, &str)]) -> Reply {
    for (name, value) in headers {
        if reply.add_header(name, value.as_bytes()).is_err() {
            return Reply::new(500);
        }
    }
    reply
}
