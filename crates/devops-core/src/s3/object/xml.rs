//! The tags of an XML document, as far as an answer has to be changed before the SDK reads it.

/// A tag of a document.
pub(in crate::s3) struct Tag<'a> {
    /// The offset of its first byte.
    pub(in crate::s3) at: usize,
    pub(in crate::s3) name: &'a str,
    /// All of it.
    pub(in crate::s3) text: &'a str,
}

/// Returns the tags of a document; comments and declarations are none.
pub(in crate::s3) fn tags(xml: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut end = 0;
    std::iter::from_fn(move || {
        loop {
            let at = end + xml[end..].find('<')?;
            let rest = &xml[at..];
            let behind = if rest.starts_with("<!--") { "-->" } else { ">" };
            let text = &rest[..rest.find(behind)? + behind.len()];
            end = at + text.len();
            if !text.starts_with("<!") && !text.starts_with("<?") {
                let name = text.trim_start_matches(['<', '/']);
                let ends = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>';
                return Some(Tag { at, name: &name[..name.find(ends)?], text });
            }
        }
    })
}

/// Returns a name without the prefix of its namespace.
pub(in crate::s3) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Returns whether XML carries a key as it is: no control characters, and no space that is trimmed.
pub(crate) fn fits_xml(key: &str) -> bool {
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    !key.contains(is_odd) && key.trim() == key
}
