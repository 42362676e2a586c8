//! Timers of a run: none fires early, and each is accounted for.

use super::ledger::{Ledger, Shared};
use crate::reactor::{Context, Timer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One that fires once.
pub(super) fn once(
    shared: &Shared,
    ctx: &mut Context,
    ledger: &mut Ledger,
    delay: Duration,
    job: impl FnOnce(&mut Context, &mut Ledger) + Send + 'static,
) {
    let shared = shared.clone();
    let due = ledger.now + delay.as_millis() as u64;
    ledger.timers_armed += 1;
    let fired = move |ctx: &mut Context| {
        let mut ledger = shared.lock();
        assert!(ledger.now >= due, "a timer fired early");
        ledger.timers_armed -= 1;
        job(ctx, &mut ledger);
    };
    let timer = ctx.timer_start(delay, Box::new(fired));
    ledger.timers.push(timer);
}

/// One that repeats, until it cancels itself or is cancelled.
pub(super) fn repeated(shared: &Shared, ctx: &mut Context, ledger: &mut Ledger) {
    let shared = shared.clone();
    let every = ledger.choices.between(1, 100) as u64;
    let (mut due, mut times) = (ledger.now + every, ledger.choices.between(1, 5));
    let name = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&name);
    let fired = move |ctx: &mut Context| {
        let mut ledger = shared.lock();
        assert!(ledger.now >= due, "a timer fired early");
        due += every * ((ledger.now - due) / every + 1);
        times -= 1;
        if times == 0 {
            let timer = Timer::from_bits(own.load(Ordering::Relaxed));
            assert!(ctx.timer_cancel(timer), "it is there while it is called");
            ledger.timers_armed -= 1;
        }
    };
    let every = Duration::from_millis(every);
    let timer = ctx.timer_repeat(every, every, Box::new(fired));
    name.store(timer.to_bits(), Ordering::Relaxed);
    ledger.timers_armed += 1;
    ledger.timers.push(timer);
}
