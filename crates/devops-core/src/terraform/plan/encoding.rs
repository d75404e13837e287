//! Finds the JSON in a file that a pipeline wrote.

use std::borrow::Cow;

/// Returns the document as UTF-8, without a byte order mark and without the lines a wrapper wrote around it.
///
/// PowerShell's redirection writes UTF-16, and the wrapper of setup-terraform a line with the command.
pub(super) fn document(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(Cow::Borrowed(unwrapped(rest))),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => Ok(Cow::Borrowed(unwrapped(bytes))),
    }
}

fn utf16<'a>(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'a, [u8]>, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(unwrapped(text.as_bytes()).to_owned())),
        _ => Err("it is not valid UTF-16".to_owned()),
    }
}

/// Takes away the lines before the one that begins an object, and those after the one that ends it.
fn unwrapped(bytes: &[u8]) -> &[u8] {
    let begins = |line: &[u8]| line.trim_ascii_start().first() == Some(&b'{');
    if begins(bytes) {
        return before_trailer(bytes);
    }
    let mut at = 0;
    while let Some(end) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        at += end + 1;
        if begins(&bytes[at..]) {
            return before_trailer(&bytes[at..]);
        }
    }
    bytes
}

/// Takes away the workflow commands that a wrapper wrote behind the document.
fn before_trailer(bytes: &[u8]) -> &[u8] {
    let mut document = bytes.trim_ascii_end();
    while let Some(start) = document.iter().rposition(|&byte| byte == b'\n') {
        if !document[start + 1..].starts_with(b"::") {
            break;
        }
        document = document[..start].trim_ascii_end();
    }
    document
}
