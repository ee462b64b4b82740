//! A shop: rows are found by a key (`database`), orders are put together (`backend`), and shown as a page (`frontend`).

pub mod backend;
pub mod database;
pub mod frontend;
