//! The lines of a patch with their numbers on both sides.

/// Bytes of one line that are kept.
const LINE_MAX: usize = 300;

/// A line of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchLine {
    /// Its number before; none where it is new.
    pub old: Option<u32>,
    /// Its number after; none where it is gone.
    pub new: Option<u32>,
    /// The line with its sign before it.
    pub text: String,
}

/// The hunks of a patch of one file.
#[must_use]
pub fn hunks(patch: &str) -> Vec<Vec<PatchLine>> {
    let mut hunks: Vec<Vec<PatchLine>> = Vec::new();
    let (mut old, mut new, mut old_left, mut new_left) = (0, 0, 0, 0);
    for line in patch.lines() {
        if old_left == 0 && new_left == 0 {
            let Some(head) = line.strip_prefix("@@ -").and_then(head) else { continue };
            ((old, old_left), (new, new_left)) = head;
            hunks.push(Vec::new());
            continue;
        }
        let (is_old, is_new) = match line.as_bytes().first() {
            Some(b'-') => (true, false),
            Some(b'+') => (false, true),
            Some(b'\\') => continue,
            _ => (true, true),
        };
        let text = line[..line.floor_char_boundary(LINE_MAX)].to_owned();
        let entry = PatchLine { old: is_old.then_some(old), new: is_new.then_some(new), text };
        old += u32::from(is_old);
        new += u32::from(is_new);
        old_left = u32::saturating_sub(old_left, u32::from(is_old));
        new_left = u32::saturating_sub(new_left, u32::from(is_new));
        if let Some(hunk) = hunks.last_mut() {
            hunk.push(entry);
        }
    }
    hunks
}

/// `12,3 +14,5 @@…`: where both sides begin, and how many lines each has.
fn head(text: &str) -> Option<((u32, u32), (u32, u32))> {
    let (old, rest) = text.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let span = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    Some((span(old)?, span(new)?))
}
