//! The calculator that joins texts, and the one that adds numbers.

use bigdecimal::num_bigint::BigInt;

use super::{LessonError, number};

/// Returns both texts joined, which is what adding them does before they are numbers.
pub fn joined(a: &str, b: &str) -> String {
    format!("{a}{b}")
}

/// Returns the exact sum of two whole numbers of any size.
pub fn sum(a: &str, b: &str) -> Result<BigInt, LessonError> {
    Ok(number::whole(a)? + number::whole(b)?)
}

/// Returns the line of the notes that shows `sum`.
pub fn transcript_line(sum: &str) -> String {
    format!("The sum is: {sum}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_before_casting_and_adds_after() {
        assert_eq!(joined("8", "7"), "87");
        assert_eq!(sum("8", "7").unwrap(), BigInt::from(15));
        assert_eq!(transcript_line("87"), "The sum is: 87");
    }

    #[test]
    fn sums_do_not_wrap() {
        assert_eq!(
            sum("9223372036854775807", "9223372036854775807").unwrap().to_string(),
            "18446744073709551614"
        );
    }
}
