//! The header fields of a parsed head, by name.

use super::field;

/// Header fields as they were parsed.
pub(super) type Fields<'h> = [httparse::Header<'h>];

/// The values of all fields of that name, trimmed.
pub(super) fn values<'h>(
    fields: &'h Fields<'h>,
    name: &'static str,
) -> impl Iterator<Item = &'h [u8]> {
    fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).map(|f| field::trim(f.value))
}

/// The value of the only field of that name.
pub(super) fn only<'h>(fields: &'h Fields<'h>, name: &'static str) -> Option<&'h [u8]> {
    let mut all = values(fields, name);
    let value = all.next()?;
    all.next().is_none().then_some(value)
}

/// The elements of all lists of that name.
pub(super) fn elements<'h>(
    fields: &'h Fields<'h>,
    name: &'static str,
) -> impl Iterator<Item = &'h [u8]> {
    values(fields, name).flat_map(field::elements)
}

/// Whether the lists of that name contain the token, whatever its case.
pub(super) fn contains(fields: &Fields<'_>, name: &'static str, token: &[u8]) -> bool {
    elements(fields, name).any(|element| element.eq_ignore_ascii_case(token))
}

/// The value of `Content-Length`: one field, of digits alone (RFC 9112 §6.2). What else could be
/// read as a number, or as several, two parties may read in two ways (§6.3, 5).
pub(super) fn content_length(fields: &Fields<'_>) -> Option<u64> {
    let digits = only(fields, "Content-Length").filter(|len| len.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
