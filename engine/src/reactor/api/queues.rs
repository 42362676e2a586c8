//! What a callback may say about the queue of a connection: what of it newer messages replace, what
//! becomes of those for which there is no room; and what it may ask of it.

use crate::conn::{Key, QueuePolicy, Queued, SendError, WhenFull};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::reactor::api::contract::{Context, Handle, Mail};
use crate::reactor::core::name::{CallError, Conn};
use crate::reactor::core::slab::Slot;

impl Context {
    /// Queues a whole message that takes the place of the one that waits under the same key, if
    /// there is one that has not begun to leave: for tickers, of which a slow reader is to get the
    /// newest price and not all of them. It takes the place in the order of the keys. Messages sent
    /// so leave behind the others that wait, those sent later too, and before a Close. Replaced
    /// ones are counted in [`Stats::replaced`](crate::reactor::Stats). For a connection of another
    /// reactor it is handed over, and counted as dropped if it is then refused.
    ///
    /// # Errors
    /// As [`Context::send`]; [`SendError::Sequence`] for what is
    /// neither Text nor Binary, or a fragment. [`SendError::Full`]
    /// not for what replaces a message and is no longer than that.
    pub fn send_latest(
        &mut self,
        conn: Conn,
        key: u64,
        message: &Outgoing,
    ) -> Result<Queued, CallError> {
        if self.is_foreign(conn) {
            let latest = Box::new((key, message.clone()));
            return self.forward(conn, Mail::Latest { conn, latest }).map(|()| Queued::Ok);
        }
        self.send_latest_now(conn, (0, key), message)
    }

    /// The same for a connection of ours, and also for keys of topics.
    pub(crate) fn send_latest_now(
        &mut self,
        conn: Conn,
        key: Key,
        message: &Outgoing,
    ) -> Result<Queued, CallError> {
        let (queued, replaced) =
            self.on_live(conn, |slot, env| slot.conn.send_latest(key, message, env))?;
        match replaced {
            true => self.counters.replaced.add(u64::from(queued != Queued::Dropped)),
            false => self.counters.count_out_one(message.opcode(), queued != Queued::Dropped),
        }
        Ok(queued)
    }

    /// From now on, this says what becomes of messages for which a connection of this reactor has
    /// no room, in the place of its endpoint's limits.
    ///
    /// # Errors
    /// [`CallError::Topic`] for a connection of another reactor, [`CallError::Gone`] for a stale
    /// handle.
    pub fn set_queue_policy(&mut self, conn: Conn, policy: QueuePolicy) -> Result<(), CallError> {
        self.must_be_here(conn)?;
        self.on_live(conn, |slot, env| slot.conn.set_policy(policy, env))
    }

    /// For how many milliseconds the oldest message has waited that is queued for a connection; 0
    /// for a stale handle or one of another reactor. What is being sent counts until the kernel has
    /// taken all of it. The grain is a turn; where more than a batch of 256 KiB waits, a batch.
    pub fn queue_age_ms(&mut self, conn: Conn) -> u32 {
        self.read_own_mail();
        let now = self.served.now;
        self.slot(conn).map_or(0, |slot| slot.conn.queue_age(now))
    }

    /// What has been dropped of a connection so far, as `Closed::dropped` will say; 0 for a stale
    /// handle or one of another reactor.
    pub fn dropped(&mut self, conn: Conn) -> u32 {
        self.read_own_mail();
        self.slot(conn).map_or(0, Slot::dropped)
    }

    /// The connections of this reactor that are open, on which calls may be made, in no particular
    /// order: for a look at what all of them have queued, for example.
    pub fn conns(&mut self) -> Vec<Conn> {
        self.read_own_mail();
        let open = self.slab.iter().filter(|slot| slot.1.is_open());
        open.map(|(name, _)| Conn::new(self.index, name.slot, name.generation)).collect()
    }

    /// Queues a message for a connection of ours, with this in the place of its own policy.
    pub(crate) fn send_message_by(
        &mut self,
        conn: Conn,
        message: &Outgoing,
        when_full: WhenFull,
    ) -> Result<Queued, CallError> {
        let queued =
            self.on_live(conn, |slot, env| slot.conn.send_message_by(message, when_full, env))?;
        self.counters.count_out_one(message.opcode(), queued != Queued::Dropped);
        Ok(queued)
    }
}

impl Handle {
    /// As [`Context::send_latest`], from any thread. Where it is refused it is dropped and counted,
    /// as [`Handle::send`] has it.
    ///
    /// # Errors
    /// As [`Handle::send`]; [`SendError::Sequence`] for what is neither Text nor Binary, or a
    /// fragment.
    pub fn send_latest(&self, conn: Conn, key: u64, message: &Outgoing) -> Result<(), CallError> {
        if !message.fin() || !matches!(message.opcode(), Opcode::Text | Opcode::Binary) {
            return Err(SendError::Sequence.into());
        }
        self.mail(conn, Mail::Latest { conn, latest: Box::new((key, message.clone())) })
    }
}
