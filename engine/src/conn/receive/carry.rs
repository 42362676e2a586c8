//! A connection leaves for another process, or has come from one.

use crate::conn::carry::Carry;
use crate::conn::clock::{Ping, Probe};
use crate::conn::{Connection, Disposition, Env, Reading};

impl Connection {
    /// What has to be known of it elsewhere, if it may go: it is open, stands between two messages
    /// in both directions, and nothing is queued.
    pub(crate) fn carry(&self) -> Option<Carry> {
        let idle = self.takes_messages()
            && self.disposition == Disposition::Open
            && self.closing.is_none()
            && self.failure().is_none()
            && self.reading != Reading::Discard
            && !self.hung_up
            && !self.ended
            && self.ping == Ping::Left;
        if !idle || !self.sends_nothing() || self.is_bound_here() {
            return None;
        }
        // No more than a header has come of what comes next.
        if self.inbound.progress.as_ref().is_some_and(|progress| progress.begun_header().is_none())
        {
            return None;
        }
        let inflation = self.inbound.progress.as_ref().and_then(|p| p.inflation.as_ref());
        let theirs = inflation.is_some_and(|inflation| inflation.takeover);
        let rare = self.rare.as_deref();
        Some(Carry {
            deflate: self.carried_deflate(theirs),
            asked_ping: rare.and_then(|rare| rare.asked_ping).map(|probe| probe.says),
            policy: rare.and_then(|rare| rare.policy),
            dropped: self.dropped(),
        })
    }

    /// What has come of the header of its next frame: it is read again there.
    pub(crate) fn header_begun(&self) -> &[u8] {
        let progress = self.inbound.progress.as_ref();
        progress.and_then(|progress| progress.begun_header()).unwrap_or_default()
    }

    /// Whether it never may: the peer may refer to messages that it has sent compressed. The last
    /// 32 KiB of them would have to travel, and to be remembered until then beside the inflater,
    /// which does not give its window away, by every connection that might be asked for it.
    pub(crate) fn is_bound_here(&self) -> bool {
        let inflation = self.inbound.progress.as_ref().and_then(|p| p.inflation.as_ref());
        inflation.is_some_and(|inflation| inflation.takeover && inflation.inflater.is_some())
    }

    /// It has come from elsewhere, and goes on as if it had always been here.
    pub(crate) fn go_on(&mut self, carry: &Carry, env: &mut Env<'_>) {
        self.begin_open(env);
        let Carry { deflate, asked_ping, policy, dropped, .. } = carry;
        if let Some(deflate) = deflate {
            self.compress_on(*deflate, env);
        }
        if let Some(says) = *asked_ping {
            // How long it takes is measured with another.
            self.rare().asked_ping = Some(Probe { says, left_us: 0, repeated: true });
        }
        if policy.is_some() {
            self.rare().policy = *policy;
        }
        self.count_all_dropped(*dropped);
        self.reroute(env.limits);
    }
}
