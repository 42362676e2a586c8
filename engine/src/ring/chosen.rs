//! What a ring has come to, in the words of an operator.

use super::setup::TaskRun;
use super::uring::{Sockets, Uring};

impl Uring {
    /// The flags, sockets and buffers that were chosen.
    pub fn chosen(&self) -> String {
        let task_run = match self.flags.task_run {
            TaskRun::Deferred => "DEFER_TASKRUN",
            TaskRun::Cooperative => "COOP_TASKRUN",
            TaskRun::Polled => "SQPOLL",
        };
        let sockets = match &self.sockets {
            Sockets::Direct => "direct",
            Sockets::Ordinary(_) => "ordinary",
        };
        let buffers = self.held.supply.buffers();
        format!(
            "io_uring with {task_run}, {sockets} descriptors for {} connections, {} buffers of {} \
             bytes",
            self.sockets_max(),
            buffers.count(),
            buffers.capacity(),
        )
    }

    /// What the kernel lacks, and what is done instead.
    pub fn lacks(&self) -> Vec<&'static str> {
        let mut lacks = Vec::new();
        if !self.has.install {
            lacks.push("IORING_OP_FIXED_FD_INSTALL (Linux 6.8): ordinary descriptors are used");
        }
        if !self.has.msg_ring {
            lacks.push("IORING_OP_MSG_RING (Linux 5.18): reactors wake each other by eventfd");
        }
        if self.flags.task_run == TaskRun::Cooperative {
            lacks.push("IORING_SETUP_DEFER_TASKRUN (Linux 6.1): COOP_TASKRUN is used");
        }
        if !self.flags.no_sqarray {
            lacks.push("IORING_SETUP_NO_SQARRAY (Linux 6.6): one more array is used");
        }
        if self.queue.gathers_twice() {
            lacks.push("IORING_FEAT_MIN_TIMEOUT (Linux 6.12): coalesce_us may take two waits");
        }
        lacks
    }
}
