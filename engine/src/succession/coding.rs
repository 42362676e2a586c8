//! Numbers and bytes in the records of a succession: little-endian, lengths in front.

use crate::succession::SuccessionError;

/// Writes what [`Reader`] reads.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    /// Whether there is one, and it.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Reads what another process has written, which is not believed.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

type Read<T> = Result<T, SuccessionError>;

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or(SuccessionError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Read<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Read<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SuccessionError::Malformed("neither yes nor no")),
        }
    }

    /// At most so many.
    pub(crate) fn bytes(&mut self, most: usize) -> Read<&'a [u8]> {
        let len = self.u32()? as usize;
        match len <= most {
            true => self.take(len),
            false => Err(SuccessionError::Malformed("more bytes than there may be")),
        }
    }

    pub(crate) fn text(&mut self, most: usize) -> Read<&'a str> {
        let text = std::str::from_utf8(self.bytes(most)?);
        text.map_err(|_| SuccessionError::Malformed("text that is none"))
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        self.flag()?.then(|| read(self)).transpose()
    }

    /// Nothing is left over.
    pub(crate) fn end(self) -> Read<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(SuccessionError::Malformed("more than it should say")),
        }
    }
}
