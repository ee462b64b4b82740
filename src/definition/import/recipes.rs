//! stub
use std::sync::Arc;
use crate::{base::Source, definition::import::{draft::Draft, run::{Format,ImportError}}};
pub(super) fn read(_s: &Arc<Source>, _n: &str, _f: Format) -> Result<Draft, ImportError> { Err(ImportError::Unknown("later".into())) }
