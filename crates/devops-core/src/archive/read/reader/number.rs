//! The numbers of tar headers.

/// Reads a number: octal digits, or base 256 when the first bit is set, as GNU tar writes large ones.
///
/// As GNU tar reads it: a first NUL is passed over, blanks before the digits are padding, and what begins
/// with a further NUL, or holds nothing, is 0; `None` if it is not a number, or does not fit.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let field = field.strip_prefix(b"\0").unwrap_or(field);
    let Some((&first, rest)) = field.split_first() else { return Some(0) };
    if first & 0x80 != 0 {
        // The second bit is the sign; what follows is two's complement.
        let start = if first & 0x40 == 0 {
            i64::from(first & 0x3f)
        } else {
            i64::from(first.cast_signed())
        };
        return rest
            .iter()
            .try_fold(start, |value, &byte| value.checked_mul(256)?.checked_add(byte.into()));
    }
    let start = field.iter().position(|&byte| !is_blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(|&byte| is_blank(byte) || byte == 0).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i64, |value, &byte| {
        let digit = char::from(byte).to_digit(8)?;
        value.checked_mul(8)?.checked_add(digit.into())
    })
}

/// Returns whether readers take a field for different numbers.
///
/// One that begins with a NUL and holds more than padding is 0 to bsdtar and Python, to GNU tar only behind
/// two. Base 256 begins with 0x80 or 0xff to GNU tar and Python, to bsdtar with any such byte.
pub(super) fn is_doubtful(field: &[u8]) -> bool {
    match field.first() {
        Some(0) => field.iter().any(|&byte| byte != 0 && !is_blank(byte)),
        Some(&first) => first & 0x80 != 0 && first != 0x80 && first != 0xff,
        None => false,
    }
}

/// Reads a number that cannot be negative.
pub(super) fn unsigned(field: &[u8]) -> Option<u64> {
    number(field).and_then(|number| u64::try_from(number).ok())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_octal_however_it_is_padded() {
        for field in [
            &b"0000644\0"[..],
            b"000644 \0",
            b"   644 \0",
            b"644\0\0\0\0\0",
            b"0000644 ",
            b"00000644",
            b"\0 644\0",
            b" 644\0 77",
        ] {
            assert_eq!(number(field), Some(0o644), "{}", field.escape_ascii());
        }
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"        "), Some(0));
        assert_eq!(number(b"      \0 "), Some(0));
    }

    #[test]
    fn digits_behind_nuls_are_doubtful_and_what_gnu_tar_makes_of_them() {
        for (field, expected) in [
            (&b"\x00000644\0"[..], 0o644),
            (b"\0\x00000644", 0),
            (b"\0\0\0\0\0\0\x002000\0", 0),
            (b"\0\x80\0\0\x01\0", 256),
            (b"\x81\0\0\0", 1 << 24),
        ] {
            assert_eq!(number(field), Some(expected), "{}", field.escape_ascii());
            assert!(is_doubtful(field), "{}", field.escape_ascii());
        }
        for field in
            [&b"0000644\0"[..], b"\0\0\0\0", b"\0   ", b"      \0 ", b"\x80\0\0\x01", b"\xff\xff"]
        {
            assert!(!is_doubtful(field), "{}", field.escape_ascii());
        }
    }

    #[test]
    fn reads_base_256_with_its_sign() {
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\x02\0\0\0"), Some(2 << 24));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Some(-1));
    }

    #[test]
    fn refuses_what_is_no_number_or_too_large() {
        assert_eq!(number(b"00006a4\0"), None);
        assert_eq!(number(b"-000644\0"), None);
        assert_eq!(number(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
