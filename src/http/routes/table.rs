//! The table of all routes: nothing is answered that does not stand here.

use super::{pages, route::Route, runs, server};

/// All routes.
pub fn routes() -> impl Iterator<Item = &'static Route> + Clone {
    [pages::ROUTES, server::ROUTES, runs::ROUTES].into_iter().flatten()
}
