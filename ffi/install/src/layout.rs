//! Where things lie, and what they are called.

use crate::Result;
use crate::options::Options;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What of the version names the ABI: until 1.0 a minor version may change it.
pub(crate) const ABI: &str =
    concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// What the archive needs, beside what compilers link on their own: nothing since glibc 2.34,
/// where these are empty and there. The unwinder is left to the compiler, which knows whether it
/// is libgcc_s, or libgcc_eh (`-static`, `-static-libgcc`).
pub(crate) const LIBRARIES: [&str; 2] = ["pthread", "dl"];

/// The places of an installation, each with the destdir in front.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) libraries: PathBuf,
    pub(crate) headers: PathBuf,
    pub(crate) pkg_config: PathBuf,
    pub(crate) cmake: PathBuf,
    pub(crate) licences: PathBuf,
    /// From the prefix to the libraries.
    pub(crate) libdir: String,
}

impl Layout {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let prefix = match &options.destdir {
            Some(dir) => dir.join(options.prefix.strip_prefix("/").unwrap_or(&options.prefix)),
            None => options.prefix.clone(),
        };
        let libraries = prefix.join(&options.libdir);
        Ok(Self {
            headers: prefix.join("include"),
            licences: prefix.join("share/doc/ringws"),
            pkg_config: libraries.join("pkgconfig"),
            cmake: libraries.join("cmake/ringws"),
            libraries,
            libdir: options.libdir.to_str().ok_or("--libdir is not UTF-8")?.to_owned(),
        })
    }

    /// From where the pkg-config file lies up to the prefix.
    pub(crate) fn up(&self) -> String {
        let depth = Path::new(&self.libdir).components().count() + 1;
        vec![".."; depth].join("/")
    }

    pub(crate) fn so() -> String {
        format!("libringws.so.{VERSION}")
    }

    pub(crate) fn soname() -> String {
        format!("libringws.so.{ABI}")
    }

    /// What the user is told at the end: what there is, and the shortest ways to link with it.
    pub(crate) fn told(&self, options: &Options) -> String {
        let (libraries, headers) = (self.libraries.display(), self.headers.display());
        let size = |name: &str| {
            let bytes = std::fs::metadata(self.libraries.join(name)).map_or(0, |file| file.len());
            format!("{:.1} MB", bytes as f64 / 1e6)
        };
        let without = if options.no_tls { " without TLS" } else { "" };
        let mut text = format!("ringws {VERSION}{without} is in {libraries} and {headers}\n\n");
        let mut line = |what: String, command: String| {
            let _ = writeln!(text, "{what}\n  {command}");
        };
        line(
            format!("static ({}), only what is used:", size("libringws.a")),
            format!("cc -I{headers} main.c {libraries}/libringws.a -Wl,--gc-sections -s"),
        );
        line(
            format!("shared ({}):", size(&Self::so())),
            format!("cc -I{headers} main.c -L{libraries} -lringws -Wl,-rpath,{libraries}"),
        );
        line(
            "pkg-config:".into(),
            format!(
                "cc main.c $(PKG_CONFIG_PATH={} pkg-config --cflags --libs ringws) \
                 -Wl,-rpath,{libraries}",
                self.pkg_config.display()
            ),
        );
        line(
            format!("CMake, with -DCMAKE_PREFIX_PATH={}:", options.prefix.display()),
            format!("find_package(ringws {ABI}) gives ringws::ringws (shared) and ringws::static"),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_up_is_as_long_as_the_way_down() {
        for (libdir, up) in [("lib", "../.."), ("lib/x86_64-linux-gnu", "../../..")] {
            let options = Options {
                prefix: "/usr".into(),
                destdir: Some("/tmp/root".into()),
                libdir: libdir.into(),
                ..Options::default()
            };
            let layout = Layout::new(&options).unwrap();
            assert_eq!(layout.up(), up);
            assert_eq!(layout.headers, PathBuf::from("/tmp/root/usr/include"));
        }
    }

    /// The loader looks into no prefix of one's own.
    #[test]
    fn each_line_that_links_the_shared_library_says_where_it_is() {
        let options =
            Options { prefix: "/opt/ws".into(), libdir: "lib64".into(), ..Options::default() };
        let told = Layout::new(&options).unwrap().told(&options);
        for takes in ["-lringws", "pkg-config --cflags --libs ringws"] {
            let line = told.lines().find(|line| line.contains(takes)).unwrap();
            assert!(line.ends_with(" -Wl,-rpath,/opt/ws/lib64"), "{line}");
        }
    }
}
