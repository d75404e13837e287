//! Numbers as Python reads and shows them, without a largest whole number.

use bigdecimal::{
    BigDecimal, ToPrimitive,
    num_bigint::{BigInt, BigUint, Sign},
};

use super::LessonError;

/// How long a number may be: Python's own limit for reading whole numbers from text.
const MAX_DIGITS: usize = 4300;

/// Reads a whole number by the rules of Python's `int`, except that digits are ASCII.
///
/// Space around it, a sign, leading zeros and single `_` between digits are fine.
pub fn whole(text: &str) -> Result<BigInt, LessonError> {
    let refuse = || LessonError::NotWhole(text.to_owned());
    let (sign, rest) = split_sign(trim(text));
    let digits = digits(rest).ok_or_else(refuse)?;
    check_length(text, digits.len())?;
    let magnitude: BigUint = digits.parse().map_err(|_| refuse())?;
    Ok(BigInt::from_biguint(sign, magnitude))
}

/// Reads a whole number of 64 bits by the same rules.
pub fn whole64(text: &str) -> Result<i64, LessonError> {
    whole(text)?.to_i64().ok_or_else(|| LessonError::OutOfRange {
        what: format!("'{text}' is"),
        max: i64::MAX.to_string(),
    })
}

/// Reads a decimal number such as `-0.1`, `1_000`, `.5` or `1e3`; never `nan` or `inf`.
pub fn decimal(text: &str) -> Result<BigDecimal, LessonError> {
    let refuse = || LessonError::NotNumber(text.to_owned());
    let (sign, rest) = split_sign(trim(text));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(text, exponent)?),
        None => (rest, 0),
    };
    let (left, right) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let part = |part: &str| if part.is_empty() { Some(String::new()) } else { digits(part) };
    let (left, right) = part(left).zip(part(right)).ok_or_else(refuse)?;
    let all = left + &right;
    if all.is_empty() {
        return Err(refuse());
    }
    check_length(text, all.len())?;
    let magnitude: BigUint = all.parse().map_err(|_| refuse())?;
    let n_right = i64::try_from(right.len()).expect("bounded by MAX_DIGITS");
    Ok(BigDecimal::new(BigInt::from_biguint(sign, magnitude), n_right - exponent))
}

/// Returns the quotient as the nearest 64-bit float, which is what `/` gives in Python.
pub fn true_quotient(a: &BigInt, b: &BigInt) -> Result<f64, LessonError> {
    if b.sign() == Sign::NoSign {
        return Err(LessonError::DivisionByZero);
    }
    if a.sign() == Sign::NoSign {
        // Zero keeps the sign of the divisor: `0 / -5` is `-0.0`.
        return Ok(if b.sign() == Sign::Minus { -0.0 } else { 0.0 });
    }
    let bits = |n: &BigInt| i64::try_from(n.bits()).expect("bounded by MAX_DIGITS");
    // Enough bits to round once, and no finer than the smallest float needs.
    let shift = (66 - (bits(a) - bits(b))).min(1076);
    let scale = |n: &BigInt, by: i64| n.magnitude() << by.max(0).unsigned_abs();
    let (top, bottom) = (scale(a, shift), scale(b, -shift));
    let whole = &top / &bottom;
    // The lowest bit stands for everything that was cut off.
    let rest = u128::from(&whole * &bottom != top);
    let quotient = u128::try_from(whole).expect("67 bits at most") << 1 | rest;
    let magnitude = round(quotient, shift + 1);
    if magnitude.is_infinite() {
        return Err(LessonError::OutOfRange {
            what: "result".to_owned(),
            max: show_float(f64::MAX),
        });
    }
    Ok(if a.sign() == b.sign() { magnitude } else { -magnitude })
}

/// Returns `quotient / 2^shift` as a float, rounded once, half to even.
fn round(quotient: u128, shift: i64) -> f64 {
    let bits = 128 - i64::from(quotient.leading_zeros());
    // A float has 53 bits, and none below 2^-1074.
    let drop = (bits - 53).max(shift - 1074).max(0);
    let kept = quotient >> drop;
    let half = (1_u128 << drop) >> 1;
    let rest = quotient & ((1_u128 << drop) - 1);
    let up = drop > 0 && (rest > half || (rest == half && kept & 1 == 1));
    let kept = u64::try_from(kept).expect("54 bits at most") + u64::from(up);
    #[allow(clippy::cast_precision_loss, reason = "2^53 at most")]
    let kept = kept as f64;
    kept * power_of_two(drop - shift)
}

fn power_of_two(exponent: i64) -> f64 {
    match exponent {
        ..-1074 => 0.0,
        -1074..-1022 => f64::from_bits(1 << (exponent + 1074)),
        -1022..1024 => f64::from_bits(((exponent + 1023).unsigned_abs()) << 52),
        1024.. => f64::INFINITY,
    }
}

/// Shows a float as Python does: the shortest digits that read back the same.
pub fn show_float(value: f64) -> String {
    let text = shortest(value);
    let (mantissa, exponent) = text.split_once('e').expect("an exponent was asked for");
    let exponent: i32 = exponent.parse().expect("exponents of floats are small");
    if (-4..16).contains(&exponent) {
        return without_exponent(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// Returns the shortest digits with an exponent; of two that are equally near, the even one.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let n_digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    // Rust rounds a tie up here, and to even when the number of digits is given.
    let rounded = format!("{value:.*e}", n_digits.saturating_sub(1));
    if rounded.parse() == Ok(value) { rounded } else { shortest }
}

/// Places the decimal point in `d.ddd` as the exponent says.
fn without_exponent(mantissa: &str, exponent: i32) -> String {
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits.replace('.', "")),
        None => ("", mantissa.replace('.', "")),
    };
    let Ok(n_before) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or_default());
        return format!("{sign}0.{zeros}{digits}");
    };
    if n_before == 0 {
        return format!("{sign}0.{digits}");
    }
    let padded = format!("{digits:0<width$}", width = n_before + 1);
    let (before, after) = padded.split_at(n_before);
    format!("{sign}{before}.{after}")
}

/// Removes what counts as space in ASCII, for Python.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| matches!(c, ' ' | '\t'..='\r' | '\x1c'..='\x1f'))
}

fn split_sign(text: &str) -> (Sign, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (Sign::Minus, &text[1..]),
        Some(b'+') => (Sign::Plus, &text[1..]),
        _ => (Sign::Plus, text),
    }
}

/// Returns the digits without their underscores, if that is all there is.
fn digits(text: &str) -> Option<String> {
    let well_placed = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let known = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    (well_placed && known && !text.is_empty()).then(|| text.replace('_', ""))
}

fn parse_exponent(whole: &str, text: &str) -> Result<i64, LessonError> {
    let (sign, rest) = split_sign(text);
    let digits = digits(rest).ok_or_else(|| LessonError::NotNumber(whole.to_owned()))?;
    let size: usize = digits.parse().unwrap_or(usize::MAX);
    check_length(whole, size)?;
    let size = i64::try_from(size).expect("bounded by MAX_DIGITS");
    Ok(if sign == Sign::Minus { -size } else { size })
}

fn check_length(text: &str, n_digits: usize) -> Result<(), LessonError> {
    if n_digits <= MAX_DIGITS {
        return Ok(());
    }
    let start: String = text.chars().take(20).collect();
    Err(LessonError::OutOfRange {
        what: format!("number '{start}…' is"),
        max: format!("{MAX_DIGITS} digits"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(text: &str) -> String {
        whole(text).map_or_else(|error| error.to_string(), |number| number.to_string())
    }

    #[test]
    fn reads_whole_numbers_by_the_rules_of_python() {
        for (text, number) in [
            (" 8 ", "8"),
            ("+8", "8"),
            ("-0", "0"),
            ("007", "7"),
            ("8_000", "8000"),
            ("\t-18446744073709551616\n", "-18446744073709551616"),
        ] {
            assert_eq!(int(text), number);
        }
        for text in ["", "8.0", "0x8", "1e3", "abc", "８", "--8", "- 8", "_8", "8_", "8__0", "+"] {
            assert_eq!(int(text), format!("'{text}' is not a whole number"));
        }
    }

    #[test]
    fn reads_decimals_exactly_and_never_nan() {
        for (text, number) in [("0.1", "0.1"), (".5", "0.5"), ("5.", "5"), ("-1e3", "-1000")] {
            assert_eq!(decimal(text).unwrap().normalized().to_plain_string(), number);
        }
        for text in ["nan", "inf", "", ".", "1.2.3", "1e", "e3", "1_.5", "0x1"] {
            assert_eq!(decimal(text).unwrap_err().to_string(), format!("'{text}' is not a number"));
        }
    }

    #[test]
    fn refuses_numbers_that_would_fill_the_memory() {
        let long = "9".repeat(MAX_DIGITS + 1);

        assert!(whole(&long).unwrap_err().to_string().ends_with("(max 4300 digits)"));
        assert!(decimal("1e999999999999999999999").is_err());
        assert!(decimal("1e-4301").is_err());
        assert!(whole(&long[1..]).is_ok());
    }

    #[test]
    fn shows_floats_as_python_does() {
        for (value, text) in [
            (4.0, "4.0"),
            (8.0 / 7.0, "1.1428571428571428"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1.25e300, "1.25e+300"),
            (-0.5, "-0.5"),
            (-0.0, "-0.0"),
            (0.05, "0.05"),
            (100.0, "100.0"),
            (120.5, "120.5"),
            // Halfway between .2 and .3.
            (-599_212_980_886_999.0 - 0.25, "-599212980886999.2"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
        ] {
            assert_eq!(show_float(value), text);
        }
    }

    #[test]
    fn divides_once_rounded_at_every_size() {
        let quotient = |a: &str, b: &str| {
            true_quotient(&whole(a).unwrap(), &whole(b).unwrap()).map(show_float)
        };
        let big = format!("1{}", "0".repeat(400));
        let tiny = format!("1{}", "0".repeat(323));

        assert_eq!(quotient("8", "2").unwrap(), "4.0");
        assert_eq!(quotient("-7", "2").unwrap(), "-3.5");
        assert_eq!(quotient("0", "5").unwrap(), "0.0");
        assert_eq!(quotient("0", "-5").unwrap(), "-0.0");
        assert_eq!(quotient("9007199254740993", "1").unwrap(), "9007199254740992.0");
        assert_eq!(quotient(&big, &big).unwrap(), "1.0");
        assert_eq!(quotient("1", &tiny).unwrap(), "1e-323");
        assert_eq!(quotient("1", &big).unwrap(), "0.0");
        assert_eq!(
            quotient(&big, "3").unwrap_err().to_string(),
            "result out of range (max 1.7976931348623157e+308)"
        );
        assert!(matches!(quotient("8", "0"), Err(LessonError::DivisionByZero)));
    }
}
