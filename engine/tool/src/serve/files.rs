//! Files below a directory, and nothing else: the kernel itself sees to it that no path leaves it
//! (`openat2(2)`, `RESOLVE_BENEATH`), by dots, by links, or by what others move meanwhile.

use super::service::with;
use crate::error::{Error, Result};
use ringws_engine::proto::handshake::Reply;
use ringws_engine::reactor::{Handle, Later};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A larger file is for a server of files.
const FILE_MAX: u64 = 64 << 20;

/// A request and its path, decoded.
type Wanted = (Later, Vec<u8>);

/// Asks for files.
pub(super) struct Files {
    to: Mutex<Sender<Wanted>>,
}

/// The thread that reads them.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    root: Option<(OwnedFd, Receiver<Wanted>)>,
    thread: Option<JoinHandle<()>>,
}

impl Files {
    pub(super) fn open(root: &Path, answers: &Answers) -> Result<Self> {
        let opened =
            open(root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let bad =
            |errno: rustix::io::Errno| Error::File { path: root.into(), source: errno.into() };
        let root = opened.map_err(bad)?;
        let (to, from) = channel();
        answers.lock().root = Some((root, from));
        Ok(Self { to: Mutex::new(to) })
    }

    pub(super) fn ask(&self, later: Later, path: Vec<u8>) {
        // The thread goes only when the engine has ended, and nobody asks then.
        let _ = self.to.lock().unwrap_or_else(PoisonError::into_inner).send((later, path));
    }
}

impl Answers {
    pub(super) fn begin(&self, handle: &Handle) {
        let mut state = self.lock();
        let Some((root, from)) = state.root.take() else { return };
        let handle = handle.clone();
        state.thread = Some(std::thread::spawn(move || {
            for (later, path) in from {
                // One that has gone meanwhile needs no answer.
                let _ = handle.answer(later, answer(&root, &path), None, 0);
            }
        }));
    }

    /// Once the engine has ended: with its handler goes who asks.
    pub(super) fn end(&self) {
        self.lock().thread.take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(root: &OwnedFd, path: &[u8]) -> Reply {
    let Some(name) = plain(path) else { return Reply::new(404) };
    let Ok((file, name)) = find(root, &name) else { return Reply::new(404) };
    let mut bytes = Vec::new();
    match File::from(file).take(FILE_MAX + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > FILE_MAX => {
            Reply::new(503).with_body("larger than 64 MiB: for a server of files\n")
        }
        Ok(_) => {
            let mut kind = mime_guess::from_path(&name).first_or_octet_stream().to_string();
            if kind.starts_with("text/") {
                kind.push_str("; charset=utf-8");
            }
            let headers = [("Content-Type", kind.as_str()), ("X-Content-Type-Options", "nosniff")];
            with(Reply::new(200).with_body(bytes), &headers)
        }
        Err(_) => Reply::new(500),
    }
}

/// The path below the directory; `None` for one that is not asked for in good faith: with dots
/// that climb, or names that begin with one, which are not for everybody.
fn plain(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?;
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part.starts_with('.') && part != ".well-known" || part.contains(['\0', '\\']) {
            return None;
        }
        parts.push(part);
    }
    Some(if parts.is_empty() { ".".into() } else { parts.join("/") })
}

/// The file, or the index of the directory, of that name.
fn find(root: &OwnedFd, name: &str) -> rustix::io::Result<(OwnedFd, String)> {
    let file = below(root, name)?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok((file, name.into())),
        FileType::Directory => {
            let index = format!("{name}/index.html");
            let file = below(root, &index)?;
            match FileType::from_raw_mode(fstat(&file)?.st_mode) {
                FileType::RegularFile => Ok((file, index)),
                _ => Err(rustix::io::Errno::NOENT),
            }
        }
        _ => Err(rustix::io::Errno::NOENT),
    }
}

/// Opened without waiting: it may be a pipe that nobody writes to.
fn below(root: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(root, name, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_found() {
        let dir = std::env::temp_dir().join(format!("ringws-files-{}", std::process::id()));
        let root = dir.join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(dir.join("secret"), "secret").unwrap();
        std::fs::write(root.join("sub/index.html"), "index").unwrap();
        std::fs::write(root.join(".hidden"), "hidden").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("sub/index.html", root.join("inside")).unwrap();
        let opened = open(&root, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for (path, status) in [
            ("/sub", 200),
            ("/sub/index.html", 200),
            ("//sub//index.html", 200),
            ("/inside", 200),
            ("/", 404),
            ("/../secret", 404),
            ("/sub/../../secret", 404),
            ("/link", 404),
            ("/.hidden", 404),
            ("/sub/index.html/more", 404),
            ("/a\\b", 404),
            ("/a\0b", 404),
        ] {
            assert_eq!(answer(&opened, path.as_bytes()).status, status, "{path}");
        }
        assert_eq!(answer(&opened, b"/\xff").status, 404);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
