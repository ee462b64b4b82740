//! Codes of the family `E03xx`.

use crate::base::codes::CodeInfo;

pub(super) const CODES: &[CodeInfo] = &[];
