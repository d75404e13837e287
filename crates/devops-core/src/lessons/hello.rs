//! The first program: a greeting.

/// Returns the greeting of `name`, of the whole world when there is none; it ends without a line break.
pub fn greeting(name: Option<&str>) -> String {
    format!("Hello, {}!", name.unwrap_or("world"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets_the_world_or_a_name() {
        assert_eq!(greeting(None), "Hello, world!");
        assert_eq!(greeting(Some("Ada")), "Hello, Ada!");
    }
}
