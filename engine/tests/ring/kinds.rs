//! The ways in which a kernel can be made.

use ringws_engine::ring::{Epoll, Kernel, KernelConfig, Tuning, Uring};

/// One that is made so.
pub(crate) fn kernel(config: KernelConfig, tuning: &Tuning) -> Box<dyn Kernel> {
    match tuning.epoll {
        true => Box::new(Epoll::tuned(config, tuning).expect("epoll")),
        false => Box::new(Uring::tuned(config, tuning).expect("io_uring")),
    }
}

/// The ways in which it can be made, all of which must behave alike.
pub(crate) fn kinds() -> Vec<(&'static str, bool, Tuning)> {
    let plain = Tuning::default();
    vec![
        ("direct", false, plain.clone()),
        ("ordinary", false, Tuning { ordinary: true, ..plain.clone() }),
        ("sqpoll", true, plain.clone()),
        ("epoll", false, Tuning { epoll: true, ..plain.clone() }),
        ("tiny queues", false, Tuning { sq_entries: Some(2), cq_entries: Some(4), ..plain }),
    ]
}
