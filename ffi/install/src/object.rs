//! One object of what the header's functions need, in which only their names are global.
//!
//! An archive of Rust's has all of the standard library in it. Two of them in one program collide
//! (`rust_eh_personality`, and everything else if one compiler made both), and so do names of the
//! cryptography that have no prefix. Hiding alone does not help: hidden names still collide
//! within one program, only local ones do not, and a name can be local to one object only.

use crate::Result;
use crate::tool::{named, run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The functions that the header declares.
pub(crate) fn declared(header: &str) -> BTreeSet<String> {
    let prototypes = header.split("extern \"C\" {").nth(1).unwrap_or_default();
    let names = prototypes.split('(').filter_map(|before| before.rsplit([' ', '*', '\n']).next());
    names.filter(|name| name.starts_with("rws_")).map(str::to_owned).collect()
}

/// Makes the object of the archive.
pub(crate) fn make(archive: &Path, names: &BTreeSet<String>, dir: &Path) -> Result<PathBuf> {
    let [linked, object] = ["linked.o", "ringws.o"].map(|name| dir.join(name));
    // Other linkers take no --gc-sections together with -r.
    let mut ld = named("LD", &["ld.bfd", "ld"])?;
    ld.args(["-r", "--gc-sections", "-o"]).arg(&linked);
    ld.args(names.iter().map(|name| format!("--undefined={name}")));
    // Groups are of global names: with those local, a second archive's would be dropped in favour
    // of ours, which it cannot see.
    ld.arg("--force-group-allocation");
    // Sections stay apart, so that a program's --gc-sections drops what it does not need.
    ld.args([".text", ".rodata", ".data", ".data.rel.ro", ".bss"].map(|s| format!("--unique={s}")));
    run(ld.arg(archive))?;

    let mut objcopy = named("OBJCOPY", &["objcopy"])?;
    objcopy.args(["--wildcard", "--keep-global-symbol=rws_*"]);
    // Debug data; and names that only discarded code has asked for, which others would now have to
    // define. What code still refers to keeps its name, for profilers.
    objcopy.arg("--strip-unneeded");
    // What was compiled so that it could be optimised together: tools that know LLVM would take
    // it for the object itself.
    objcopy.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    run(objcopy.args(["--remove-section=.comment"]).arg(&linked).arg(&object))?;

    let has = globals(&object)?;
    if has == *names {
        return Ok(object);
    }
    let differ: Vec<&String> = has.symmetric_difference(names).collect();
    Err(format!("the library and its header differ: {differ:?}").into())
}

/// The names that an object defines for others.
fn globals(object: &Path) -> Result<BTreeSet<String>> {
    let mut nm = named("NM", &["nm"])?;
    let options = ["--extern-only", "--defined-only", "--format=posix"];
    let text = run(nm.args(options).arg(object))?;
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prototypes() {
        let header = "typedef void (*rws_job)(int);
            extern \"C\" {
            /* As rws_a. */
            int rws_a(int x);
            RWS_MUST_USE struct rws_s *rws_b(rws_job j, void (*f)(void *));
            void
rws_c(void);
            }";
        let names: Vec<String> = declared(header).into_iter().collect();
        assert_eq!(names, ["rws_a", "rws_b", "rws_c"]);
    }
}
