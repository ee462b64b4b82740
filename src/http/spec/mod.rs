//! What routes take and answer: the schemas, the checks of input, and the OpenAPI document, all made from the table.

mod checks;
mod document;
mod fields;
mod forms;

pub(super) use checks::Checks;
pub use document::openapi;
pub(super) use fields::*;
pub(super) use forms::component;
