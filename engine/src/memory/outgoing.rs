//! A message made once and sent many times.

use super::Shared;
use crate::codec::Setting;
use crate::proto::header::{self, HEADER_MAX};
use crate::proto::{Header, Opcode};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Payloads of this size are sent from where they lie, behind a header of their own. Smaller ones
/// cost less in one piece with their header: the kernel need not gather anything.
pub(crate) const SHARE_MIN: usize = 4 << 10;

/// An immutable outgoing message, its payload by reference. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Outgoing {
    payload: Shared,
    opcode: Opcode,
    fin: bool,
    rsv1: bool,
    deflated: Deflated,
}

/// What was made with each setting.
type Forms = Vec<(Setting, Option<Outgoing>)>;

/// The compressed forms of a message.
#[derive(Clone, Debug)]
enum Deflated {
    /// It has none: a fragment, a control frame, or one that must not be compressed.
    Never,
    /// Each form made so far, `None` where it is not smaller. All clones share them.
    Forms(Arc<Mutex<Forms>>),
}

impl Outgoing {
    /// Frames `payload` as one unmasked frame with FIN; below 4 KiB in a copy, header and payload
    /// in one piece. Text is not checked here, and not by
    /// [`send_message`](crate::conn::Connection::send_message) either: a message that is sent to
    /// thousands is checked once, by whoever made it.
    pub fn new(opcode: Opcode, payload: Bytes) -> Self {
        match framed(opcode, &payload, false) {
            Some(payload) => Self::of(opcode, payload),
            None => Self::of(opcode, payload.into()),
        }
    }

    /// As [`Outgoing::new`], of a copy.
    pub fn copied(opcode: Opcode, payload: &[u8]) -> Self {
        match framed(opcode, payload, false) {
            Some(payload) => Self::of(opcode, payload),
            None => Self::of(opcode, Bytes::copy_from_slice(payload).into()),
        }
    }

    /// As [`Outgoing::new`], of what stays where it is, however small: whoever sends it to many
    /// copies it for each.
    pub fn wrapped(opcode: Opcode, payload: Bytes) -> Self {
        Self::of(opcode, payload.into())
    }

    /// As [`Outgoing::wrapped`].
    pub(crate) fn of(opcode: Opcode, payload: Shared) -> Self {
        let deflated = match opcode {
            Opcode::Text | Opcode::Binary => Deflated::Forms(Arc::default()),
            _ => Deflated::Never,
        };
        Self { payload, opcode, fin: true, rsv1: false, deflated }
    }

    /// The same, never compressed: for secrets beside text that others choose, and for what is sent
    /// once to somebody who does not want it compressed.
    pub fn plain(opcode: Opcode, payload: Bytes) -> Self {
        Self::new(opcode, payload).into_plain()
    }

    /// The same as [`Outgoing::plain`].
    #[must_use]
    pub fn into_plain(self) -> Self {
        Self { deflated: Deflated::Never, ..self }
    }

    /// Frames `payload` as one unmasked frame, a fragment when `fin` is false (RFC 6455 §5.4).
    pub fn with_fin(opcode: Opcode, payload: Bytes, fin: bool) -> Self {
        Self { payload: payload.into(), opcode, fin, rsv1: false, deflated: Deflated::Never }
    }

    /// A compressed form.
    fn compressed(opcode: Opcode, payload: Shared) -> Self {
        let payload = framed(opcode, payload.bytes(), true).unwrap_or(payload);
        Self { payload, opcode, fin: true, rsv1: true, deflated: Deflated::Never }
    }

    /// What it carries.
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Whether it is the last frame of its message.
    pub fn fin(&self) -> bool {
        self.fin
    }

    /// Whether its payload is compressed (RFC 7692 §6.1).
    pub(crate) fn rsv1(&self) -> bool {
        self.rsv1
    }

    /// Whether it may be compressed.
    #[inline]
    pub(crate) fn may_deflate(&self) -> bool {
        matches!(self.deflated, Deflated::Forms(_))
    }

    /// Its compressed form with that setting, made by `deflate` when there is none yet; `None` when
    /// it is not smaller. Whoever needs it meanwhile makes it, too, rather than wait: of those
    /// made, the first is kept.
    pub(crate) fn deflated(
        &self,
        setting: Setting,
        deflate: impl FnOnce() -> Option<Shared>,
    ) -> Option<Self> {
        let Deflated::Forms(forms) = &self.deflated else { return None };
        // A form is pushed whole: a poisoned lock guards nothing half done.
        let lock = || forms.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |forms: &Forms| {
            let mut made = forms.iter().filter(|(made, _)| *made == setting);
            made.next().map(|(_, form)| form.clone())
        };
        let made = find(&lock());
        made.unwrap_or_else(|| {
            let form = deflate().map(|bytes| Self::compressed(self.opcode, bytes));
            let mut forms = lock();
            find(&forms).unwrap_or_else(|| {
                forms.push((setting, form.clone()));
                form
            })
        })
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.payload.bytes()
    }

    /// The same, to be sent by reference.
    pub(crate) fn shared(&self) -> &Shared {
        &self.payload
    }

    /// A copy, if it lies where it must not be kept for long: others wait for that memory.
    pub(crate) fn kept(&self) -> Option<Self> {
        self.payload.is_lent().then(|| self.again(self.payload()))
    }

    /// Another payload, sent in the same way.
    pub(crate) fn again(&self, payload: &[u8]) -> Self {
        let made = Self::copied(self.opcode, payload);
        if self.may_deflate() { made } else { made.into_plain() }
    }

    /// The whole frame as a server sends it, if it was made in one piece: a whole message, then.
    #[inline]
    pub(crate) fn frame(&self) -> Option<Shared> {
        self.payload.frame()
    }
}

/// The payload of a small message of data, in one piece with its header.
fn framed(opcode: Opcode, payload: &[u8], rsv1: bool) -> Option<Shared> {
    if payload.len() >= SHARE_MIN || !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return None;
    }
    let header = Header { len: payload.len() as u64, mask: None, opcode, fin: true, rsv1 };
    let mut frame = Vec::with_capacity(HEADER_MAX + payload.len());
    header::append(&header, &mut frame);
    let headed = frame.len();
    frame.extend_from_slice(payload);
    Some(Shared::of_frame(frame.into(), headed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_has_no_fin() {
        let message = Outgoing::with_fin(Opcode::Text, Bytes::from_static(b"a"), false);
        assert_eq!((message.payload(), message.fin()), (&b"a"[..], false));
        assert_eq!(message.opcode(), Opcode::Text);
    }

    #[test]
    fn small_messages_are_one_piece_with_their_header() {
        for (len, header) in [(0, &[0x82, 0][..]), (126, &[0x82, 126, 0, 126])] {
            let payload = vec![7; len];
            let expected = [header, &payload].concat();
            for message in [
                Outgoing::new(Opcode::Binary, payload.clone().into()),
                Outgoing::copied(Opcode::Binary, &payload).into_plain(),
            ] {
                assert_eq!(message.payload(), payload);
                assert_eq!(
                    message.frame().map(|frame| frame.bytes().to_vec()),
                    Some(expected.clone())
                );
            }
            assert!(Outgoing::wrapped(Opcode::Binary, payload.into()).frame().is_none());
        }
        let large = Bytes::from(vec![7; SHARE_MIN]);
        let message = Outgoing::new(Opcode::Binary, large.clone());
        assert_eq!(message.payload().as_ptr(), large.as_ptr());
        assert!(message.frame().is_none());
        assert!(Outgoing::new(Opcode::Ping, Bytes::new()).frame().is_none());
        assert!(Outgoing::with_fin(Opcode::Text, Bytes::new(), true).frame().is_none());
    }

    /// Two reactors, one of which takes its time.
    #[test]
    fn nobody_waits_for_a_form_that_another_makes() {
        let message = Outgoing::new(Opcode::Binary, Bytes::from(vec![0; 1_000]));
        let setting = Setting { level: 1, bits: 15 };
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel();
        let slow = std::thread::spawn({
            let message = message.clone();
            move || {
                let form = message.deflated(setting, || {
                    begun.send(()).expect("heard");
                    may_go_on.recv().expect("told");
                    Some(Bytes::from_static(b"slow").into())
                });
                form.expect("smaller").payload().to_vec()
            }
        });
        has_begun.recv().expect("begun");
        let fast = message.deflated(setting, || Some(Bytes::from_static(b"fast").into()));
        assert_eq!(fast.expect("smaller").payload(), b"fast");
        go_on.send(()).expect("heard");
        assert_eq!(slow.join().expect("no panic"), b"fast"[..], "the first that was made is kept");
        let again = message.deflated(setting, || panic!("made before"));
        assert_eq!(again.expect("smaller").payload(), b"fast");
        let other = message.deflated(Setting { level: 9, bits: 15 }, || None);
        assert!(other.is_none(), "each setting has its own");
    }

    #[test]
    fn clones_share_the_payload() {
        let message = Outgoing::new(Opcode::Binary, Bytes::from(vec![1; 10]));
        assert_eq!(message.clone().payload().as_ptr(), message.payload().as_ptr());
    }
}
