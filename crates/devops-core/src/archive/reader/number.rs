//! The numbers of tar headers.

/// Reads a number: octal digits, or base 256 when the first bit is set, as GNU tar writes large ones.
///
/// Blanks and NULs around the digits are padding, and an empty field is 0; `None` when it is no number,
/// or none that fits.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
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
    let start = field.iter().position(|&byte| !is_padding(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(|&byte| is_padding(byte)).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i64, |value, &byte| {
        let digit = char::from(byte).to_digit(8)?;
        value.checked_mul(8)?.checked_add(digit.into())
    })
}

/// Reads a number that cannot be negative.
pub(super) fn unsigned(field: &[u8]) -> Option<u64> {
    number(field).and_then(|number| u64::try_from(number).ok())
}

fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn reads_octal_however_it_is_padded() {
        for field in [
            &b"0000644\0"[..],
            b"000644 \0",
            b"   644 \0",
            b"644\0\0\0\0\0",
            b"0000644 ",
            b"00000644",
            b"\0\0\0 644\0",
            b" 644\0 77",
        ] {
            assert_eq!(number(field), Some(0o644), "{}", field.escape_ascii());
        }
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"        "), Some(0));
        assert_eq!(number(b"      \0 "), Some(0));
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
