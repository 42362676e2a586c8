//! System calls that this process is not to have, as a container's profile forbids them.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;

/// A system call, perhaps only where its second argument is a certain one: what an
/// `io_uring_register` is to register.
pub type Denied = (i64, Option<u32>);

/// All of io_uring.
pub const IO_URING: [Denied; 3] = [
    (libc::SYS_io_uring_setup, None),
    (libc::SYS_io_uring_enter, None),
    (libc::SYS_io_uring_register, None),
];

/// From here on these fail with that error number: on the calling thread, on those that it makes,
/// and in the programs that they become. For good.
pub fn deny(calls: &[Denied], errno: i32) {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for &(call, argument) in calls {
        let rules = rules.entry(call).or_default();
        rules.extend(argument.map(|argument| {
            let (len, equal) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
            let condition = SeccompCondition::new(1, len, equal, argument.into());
            SeccompRule::new(vec![condition.expect("a condition")]).expect("a rule")
        }));
    }
    let (allow, fail) = (SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()));
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a processor with seccomp");
    let filter = SeccompFilter::new(rules, allow, fail, arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    apply_filter(&program).expect("seccomp");
}
