//! Codes of the family `E01xx`.

use crate::base::codes::CodeInfo;

pub(super) const CODES: &[CodeInfo] = &[];
