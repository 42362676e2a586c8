//! What a run says while it goes on, and how it is told to end.

use crate::error::{Error, Result};
use crate::process;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A server that ends closes its sockets before its process counts as ended.
const OBITUARY: Duration = Duration::from_millis(50);

/// Called a few times per second with the time since the load began and what was done in it:
/// messages, handshakes or deliveries.
pub type Progress = Arc<dyn Fn(Duration, u64) + Send + Sync>;

/// Ties a run to its caller. The default: it says nothing and nothing ends it early.
#[derive(Clone, Default)]
pub struct Control {
    /// When it is set, the run ends with [`Error::Interrupted`].
    pub stop: Option<Arc<AtomicBool>>,
    /// What hears of the progress.
    pub progress: Option<Progress>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Control {
    /// Reports, and fails when the run is to end.
    pub(crate) fn look(&self, elapsed: Duration, done: u64) -> Result<()> {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Error::Interrupted { elapsed, done });
        }
        if let Some(progress) = &self.progress {
            progress(elapsed, done);
        }
        Ok(())
    }
}

/// Says that the server's process has ended, if that is behind an error.
pub(crate) fn explain<T>(pid: Option<u32>, result: Result<T>) -> Result<T> {
    let (Some(pid), Err(error)) = (pid, &result) else { return result };
    if !matches!(error, Error::Io { .. } | Error::Echo { .. } | Error::Stalled(_)) {
        return result;
    }
    let alive = process::is_alive(pid) && {
        std::thread::sleep(OBITUARY);
        process::is_alive(pid)
    };
    if alive {
        return result;
    }
    Err(Error::Server(format!("the server's process, {pid}, has ended: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_flag_ends_the_run_and_progress_is_passed_on() {
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(AtomicBool::new(false));
        let ear = Arc::clone(&heard);
        let progress: Progress = Arc::new(move |_, done| ear.store(done == 7, Ordering::Relaxed));
        let control = Control { stop: Some(Arc::clone(&stop)), progress: Some(progress) };
        control.look(Duration::ZERO, 7).expect("not set");
        assert!(heard.load(Ordering::Relaxed));
        stop.store(true, Ordering::Relaxed);
        let error = control.look(Duration::from_secs(2), 9).expect_err("set").to_string();
        assert!(error.contains("interrupted") && error.contains('9'), "{error}");
    }

    #[test]
    fn the_end_of_the_server_is_named() {
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        let pid = child.id();
        child.wait().expect("it ends");
        let error = explain::<()>(Some(pid), Err(Error::Stalled("quiet".into())));
        let error = error.expect_err("still an error").to_string();
        assert!(error.contains("has ended: quiet"), "{error}");
        let own = explain::<()>(Some(std::process::id()), Err(Error::Stalled("quiet".into())));
        assert_eq!(own.expect_err("still an error").to_string(), "quiet");
    }
}
