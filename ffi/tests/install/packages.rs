//! The Debian packages: what they say, and that one can compile with what is in them.

use crate::common::{compilers, here, scratch, stdout_of, succeed};
use crate::tree::target_dir;
use std::path::PathBuf;
use std::process::Command;

/// Stands for the tool, which is minutes to build: what is asked of it is to write its manual and
/// its completions.
fn tool() -> PathBuf {
    let program = scratch("install").join("ringws");
    let source = program.with_extension("c");
    let text = "#include <stdio.h>\n#include <string.h>\nint main(int n, char **word) {\n\
                if (n != 3) return 2;\n\
                if (strcmp(word[1], \"man\") != 0) return puts(word[2]) < 0;\n\
                char path[4096];\nsnprintf(path, sizeof path, \"%s/ringws.1\", word[2]);\n\
                FILE *page = fopen(path, \"w\");\nreturn !page || fclose(page); }\n";
    std::fs::write(&source, text).unwrap();
    succeed(Command::new(compilers()[0].c).arg(source).arg("-o").arg(&program));
    program
}

/// Makes the packages and unpacks them into one root; the packages and the root.
fn packages() -> (Vec<PathBuf>, PathBuf) {
    let dir = scratch("install").join("deb");
    let _ = std::fs::remove_dir_all(&dir);
    let root = dir.join("root");
    let mut command = Command::new(here().join("packaging/deb"));
    command.arg(&dir).arg("--target-dir").arg(target_dir()).env("RINGWS_TOOL", tool());
    let said = stdout_of(command.env("CARGO_TARGET_DIR", target_dir()));
    let made: Vec<PathBuf> = said.lines().map(PathBuf::from).collect();
    for package in &made {
        succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(&root));
    }
    (made, root)
}

fn field(package: &PathBuf, name: &str) -> String {
    let mut command = Command::new("dpkg-deb");
    stdout_of(command.arg("--field").arg(package).arg(name)).trim().to_owned()
}

#[test]
fn debian_packages() {
    if Command::new("dpkg-shlibdeps").arg("--version").output().is_err() {
        let all = std::env::var_os("RINGWS_ALL_COMPILERS").is_some();
        assert!(!all, "dpkg-dev is missing");
        return;
    }
    let (made, root) = packages();
    let [library, dev, tool] = &made[..] else { panic!("{made:?}") };
    assert_eq!(field(library, "Package"), "libringws0.1");
    let depends = field(library, "Depends");
    assert!(depends.contains("libc6 (>= 2.") && depends.contains("libgcc-s1"), "{depends}");
    assert_eq!(field(dev, "Package"), "libringws-dev");
    let same = format!("libringws0.1 (= {})", field(library, "Version"));
    assert!(field(dev, "Depends").contains(&same), "{}", field(dev, "Depends"));

    assert_eq!(field(tool, "Package"), "ringws");
    assert!(field(tool, "Depends").contains("libc6 (>= 2."), "{}", field(tool, "Depends"));
    for file in ["bin/ringws", "share/man/man1/ringws.1.gz"] {
        assert!(root.join("usr").join(file).exists(), "{file}");
    }

    // What asks for the library by name finds the package, and from which version on.
    let control = |file: &str| {
        let mut command = Command::new("dpkg-deb");
        stdout_of(command.arg("--info").arg(library).arg(file))
    };
    assert_eq!(control("shlibs").trim(), "libringws 0.1 libringws0.1 (>= 0.1.0)");
    assert!(control("symbols").contains("\n rws_send@RINGWS_0.1 0.1.0\n"));
    assert_eq!(control("triggers").trim(), "activate-noawait ldconfig");

    for page in ["man3/ringws.3.gz", "man7/ringws-threads.7.gz"] {
        assert!(root.join("usr/share/man").join(page).exists(), "{page}");
    }

    let libraries =
        std::fs::read_dir(root.join("usr/lib")).unwrap().next().unwrap().unwrap().path();
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(["--cflags", "--libs", "ringws"]);
    let said = stdout_of(pkg_config.env("PKG_CONFIG_LIBDIR", libraries.join("pkgconfig")));
    let program = root.join("consumer");
    let mut cc = Command::new(compilers()[0].c);
    cc.arg(here().join("tests/consumer/main.c")).args(said.split_whitespace());
    succeed(cc.arg("-o").arg(&program));
    let mut run = Command::new(&program);
    assert_eq!(stdout_of(run.env("LD_LIBRARY_PATH", &libraries)), "round trip\n");
}
