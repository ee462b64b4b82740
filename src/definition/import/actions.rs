//! stub
use std::sync::Arc;
use crate::{base::Source, definition::import::{draft::Draft, known::Known, run::ImportError}};
pub(super) fn read(_s: &Arc<Source>, _n: &str ) -> Result<Draft, ImportError> { Err(ImportError::Unknown("later".into())) }
