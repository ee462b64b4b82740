//! Text from outside, made harmless for terminals.

/// The text with control characters as pictures, and characters that reorder or hide text as their numbers.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            code @ 0..=0x1f => shown.push(char::from_u32(0x2400 + code).unwrap_or('?')),
            0x7f => shown.push('\u{2421}'),
            code @ (0x80..=0x9f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f) => {
                shown.push_str(&format!("<U+{code:04X}>"));
            }
            _ => shown.push(c),
        }
    }
    shown
}
