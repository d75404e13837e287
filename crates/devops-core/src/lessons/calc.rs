//! The four operations: exact on decimals, or on whole numbers as the notes do it.

use std::num::NonZeroU64;

use bigdecimal::{BigDecimal, RoundingMode, Zero};

use super::{LessonError, number};

/// The number of digits a quotient without an end is rounded to.
const QUOTIENT_DIGITS: NonZeroU64 = NonZeroU64::new(28).expect("not zero");

/// One of the four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
}

/// The result of a calculation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The digits, without an exponent.
    pub text: String,
    /// Is set if the digits are the whole truth; a quotient may go on for ever.
    pub exact: bool,
}

impl Operator {
    /// Reads an operator; the words are there because shells expand `*`.
    pub fn parse(text: &str) -> Result<Self, LessonError> {
        match text {
            "+" | "add" => Ok(Self::Add),
            "-" | "sub" => Ok(Self::Sub),
            "*" | "x" | "mul" => Ok(Self::Mul),
            "/" | "div" => Ok(Self::Div),
            _ => {
                let known = ["+", "-", "*", "/", "add", "sub", "mul", "div", "x"];
                Err(LessonError::unknown("operator", text, &known))
            }
        }
    }
}

/// Splits a whole calculation, such as `8 * 7` or `8*-7`, into its numbers and the operator between them.
pub fn parts(text: &str) -> Option<[&str; 3]> {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [a, operator, b] = words[..] {
        return Some([a, operator, b]);
    }
    // Behind a digit a sign is an operator; in front of one it belongs to the number, as in `1e-3`.
    let bytes = text.as_bytes();
    let is_operator = |&at: &usize| {
        b"+-*/x".contains(&bytes[at])
            && text[..at].trim_end().ends_with(|c: char| c.is_ascii_digit() || c == '.')
    };
    let at = (1..bytes.len()).find(is_operator)?;
    let (a, b) = (text[..at].trim(), text[at + 1..].trim());
    (!b.is_empty()).then_some([a, &text[at..=at], b])
}

/// Calculates exactly on decimals; a quotient without an end is rounded to 28 digits.
pub fn calculate(a: &str, operator: &str, b: &str) -> Result<Answer, LessonError> {
    let operator = Operator::parse(operator)?;
    let (a, b) = (number::decimal(a)?, number::decimal(b)?);
    let exact = |value: BigDecimal| Answer { text: show(&value), exact: true };
    match operator {
        Operator::Add => Ok(exact(a + b)),
        Operator::Sub => Ok(exact(a - b)),
        Operator::Mul => Ok(exact(a * b)),
        Operator::Div => quotient(&a, &b),
    }
}

fn quotient(a: &BigDecimal, b: &BigDecimal) -> Result<Answer, LessonError> {
    if b.is_zero() {
        return Err(LessonError::DivisionByZero);
    }
    let quotient = a / b;
    if &quotient * b == *a {
        return Ok(Answer { text: show(&quotient), exact: true });
    }
    let rounded = quotient.with_precision_round(QUOTIENT_DIGITS, RoundingMode::HalfEven);
    Ok(Answer { text: show(&rounded), exact: false })
}

fn show(value: &BigDecimal) -> String {
    value.normalized().to_plain_string()
}

/// Returns the line the notes' calculator prints: whole numbers only, `/` gives a float,
/// and an operator it does not know is an answer as well.
pub fn transcript(a: &str, b: &str, operator: &str) -> Result<String, LessonError> {
    let (a, b) = (number::whole(a)?, number::whole(b)?);
    let result = match operator {
        "+" => (a + b).to_string(),
        "-" => (a - b).to_string(),
        "*" => (a * b).to_string(),
        "/" => number::show_float(number::true_quotient(&a, &b)?),
        _ => return Ok("Invalid operation entered.".to_owned()),
    };
    Ok(format!("The result is: {result}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(a: &str, operator: &str, b: &str) -> String {
        calculate(a, operator, b).map_or_else(|error| error.to_string(), |answer| answer.text)
    }

    #[test]
    fn a_calculation_has_its_parts_with_blanks_or_without() {
        for (text, expected) in [
            ("8 * 7", ["8", "*", "7"]),
            ("8*7", ["8", "*", "7"]),
            ("-8--7", ["-8", "-", "-7"]),
            ("1e-3+2", ["1e-3", "+", "2"]),
            ("8. /7", ["8.", "/", "7"]),
            ("8 x7", ["8", "x", "7"]),
            ("8 mul 7", ["8", "mul", "7"]),
        ] {
            assert_eq!(parts(text), Some(expected), "{text}");
        }
        for text in ["8", "", "*7", "8*", "ä*7", "-8"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn calculates_exactly() {
        assert_eq!(text("0.1", "+", "0.2"), "0.3");
        assert_eq!(text("8", "-", "-7"), "15");
        assert_eq!(text("8", "x", "7"), "56");
        assert_eq!(text("8", "/", "2"), "4");
        assert_eq!(text("1", "div", "8"), "0.125");
        assert_eq!(text("-0", "*", "5"), "0");
        assert_eq!(text("1e3", "+", "1"), "1001");
        assert_eq!(
            text("9223372036854775807", "mul", "9223372036854775807"),
            "85070591730234615847396907784232501249"
        );
    }

    #[test]
    fn says_when_a_quotient_was_rounded() {
        let third = calculate("1", "/", "3").unwrap();
        let two_thirds = calculate("2", "/", "3").unwrap();

        assert_eq!(third.text, "0.3333333333333333333333333333");
        assert_eq!(two_thirds.text, "0.6666666666666666666666666667");
        assert!(!third.exact);
        assert!(calculate("1", "/", "8").unwrap().exact);
    }

    #[test]
    fn refuses_zero_as_a_divisor_and_unknown_operators() {
        assert_eq!(text("8", "/", "0"), "division by zero");
        assert_eq!(text("0", "/", "0.0"), "division by zero");
        assert_eq!(
            text("8", "^", "2"),
            "unknown operator '^' (choose from +, -, *, /, add, sub, mul, div, x)"
        );
    }

    #[test]
    fn the_transcript_knows_whole_numbers_and_four_signs() {
        assert_eq!(transcript("8", "2", "/").unwrap(), "The result is: 4.0");
        assert_eq!(transcript("8", "7", "*").unwrap(), "The result is: 56");
        assert_eq!(transcript("8", "7", "x").unwrap(), "Invalid operation entered.");
        assert!(matches!(transcript("8.5", "7", "+"), Err(LessonError::NotWhole(_))));
        assert!(matches!(transcript("8", "0", "/"), Err(LessonError::DivisionByZero)));
    }
}
