//! A message framed once and sent many times.

use crate::codec::Setting;
use crate::proto::{Header, Opcode, header};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest header without a masking key: 2 bytes and a 64-bit length.
const HEADER_MAX: usize = header::HEADER_MAX - 4;

/// An immutable outgoing message: its header and its payload by reference. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Outgoing {
    payload: Bytes,
    header: [u8; HEADER_MAX],
    header_len: u8,
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
    /// Frames `payload` as one unmasked frame with FIN. Text is not checked here, and not by
    /// [`send_message`](crate::conn::Connection::send_message) either: a message that is sent to
    /// thousands is checked once, by whoever made it.
    pub fn new(opcode: Opcode, payload: Bytes) -> Self {
        let deflated = match opcode {
            Opcode::Text | Opcode::Binary => Deflated::Forms(Arc::default()),
            _ => Deflated::Never,
        };
        Self { deflated, ..Self::framed(opcode, payload, true, false) }
    }

    /// The same, never compressed: for secrets beside text that others choose, and for what is sent
    /// once to somebody who does not want it compressed.
    pub fn plain(opcode: Opcode, payload: Bytes) -> Self {
        Self::framed(opcode, payload, true, false)
    }

    /// Frames `payload` as one unmasked frame, a fragment when `fin` is false (RFC 6455 §5.4).
    pub fn with_fin(opcode: Opcode, payload: Bytes, fin: bool) -> Self {
        Self::framed(opcode, payload, fin, false)
    }

    fn framed(opcode: Opcode, payload: Bytes, fin: bool, rsv1: bool) -> Self {
        let len = payload.len() as u64;
        let fields = Header { len, mask: None, opcode, fin, rsv1 };
        let mut encoded = [0; header::HEADER_MAX];
        let header_len = header::encode(&fields, &mut encoded) as u8;
        let mut header = [0; HEADER_MAX];
        header.iter_mut().zip(encoded).for_each(|(to, from)| *to = from);
        Self { payload, header, header_len, opcode, fin, rsv1, deflated: Deflated::Never }
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
        deflate: impl FnOnce() -> Option<Bytes>,
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
            let form = deflate().map(|bytes| Self::framed(self.opcode, bytes, true, true));
            let mut forms = lock();
            find(&forms).unwrap_or_else(|| {
                forms.push((setting, form.clone()));
                form
            })
        })
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The frame header that goes before the payload.
    pub fn header(&self) -> &[u8] {
        self.header.get(..usize::from(self.header_len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_minimal() {
        for (len, header) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (0xFFFF, &[0x82, 126, 0xFF, 0xFF]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let message = Outgoing::new(Opcode::Binary, Bytes::from(vec![0; len]));
            assert_eq!((message.header(), message.payload().len()), (header, len));
        }
    }

    #[test]
    fn a_fragment_has_no_fin() {
        let message = Outgoing::with_fin(Opcode::Text, Bytes::from_static(b"a"), false);
        assert_eq!((message.header(), message.fin()), (&[0x01, 1][..], false));
        assert_eq!(message.opcode(), Opcode::Text);
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
                    Some(Bytes::from_static(b"slow"))
                });
                form.expect("smaller").payload().clone()
            }
        });
        has_begun.recv().expect("begun");
        let fast = message.deflated(setting, || Some(Bytes::from_static(b"fast")));
        assert_eq!(fast.expect("smaller").payload(), &b"fast"[..]);
        go_on.send(()).expect("heard");
        assert_eq!(slow.join().expect("no panic"), b"fast"[..], "the first that was made is kept");
        let again = message.deflated(setting, || panic!("made before"));
        assert_eq!(again.expect("smaller").payload(), &b"fast"[..]);
        let other = message.deflated(Setting { level: 9, bits: 15 }, || None);
        assert!(other.is_none(), "each setting has its own");
    }

    #[test]
    fn clones_share_the_payload() {
        let message = Outgoing::new(Opcode::Binary, Bytes::from(vec![1; 10]));
        assert_eq!(message.clone().payload().as_ptr(), message.payload().as_ptr());
    }
}
