//! Codes of the family `E02xx`.

use crate::base::codes::CodeInfo;

pub(super) const CODES: &[CodeInfo] = &[];
