//! `rws_feature`: what this kernel's io_uring offers.

use crate::constants::{RWS_FEATURE_PRESENT, RWS_FEATURE_REQUIRED, RWS_FEATURE_USED};
use crate::guard::guard;
use crate::types::rws_bytes;
use ringws_engine::ring::features::{Feature, table};

/// a part of io_uring that the engine needs, uses or could use
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_feature {
    /// as the kernel's headers name it; static
    pub name: rws_bytes,
    /// the first Linux that has it, "6.1"; static
    pub kernel: rws_bytes,
    /// RWS_FEATURE_*
    pub flags: u32,
    /// 0
    pub reserved: u32,
}

impl From<&Feature> for rws_feature {
    fn from(feature: &Feature) -> Self {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        Self {
            name: feature.name.as_bytes().into(),
            kernel: feature.kernel_floor.as_bytes().into(),
            flags: flag(feature.required, RWS_FEATURE_REQUIRED)
                | flag(feature.present, RWS_FEATURE_PRESENT)
                | flag(feature.used, RWS_FEATURE_USED),
            reserved: 0,
        }
    }
}

/// Asks the kernel, in a few milliseconds: writes at most max rows, returns how many there are.
/// Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_kernel_features(out: *mut rws_feature, max: usize) -> usize {
    guard(|| {
        let table = table();
        let max = if out.is_null() { 0 } else { max };
        for (index, feature) in table.iter().take(max).enumerate() {
            // SAFETY: the caller has room for `max` rows, and `index` is less.
            unsafe { out.add(index).write(feature.into()) };
        }
        table.len()
    })
}
