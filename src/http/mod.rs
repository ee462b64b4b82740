//! The server: API, live events, dashboard. Whatever it does, it asks the service as the command line does.
//!
//! Every route stands in one table (`routes`): who may ask, what is taken, what is answered. The door, the checks of input,
//! the published description and the tests of attacks are all made from that table, so that none can forget a route.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `routes` | the table |
//! | `access/` | who asks, whether they may, how often |
//! | `spec/` | what routes take and answer: schemas, checks, the OpenAPI document |
//! | `api/` | the routes of programs |
//! | `live/` | streams of events |
//! | `pages/` | the dashboard |
//! | `app` | what one server holds |
//! | `server` | listens, answers, ends |
//! | `problem` | how a request fails |

mod access;
mod api;
mod app;
mod ask;
mod live;
mod metrics;
mod pages;
mod problem;
mod routes;
mod server;
mod spec;

pub use access::{ALGORITHMS, JwtSettings};
pub use app::{App, Serving};
pub use metrics::{FIGURES, Metrics};
pub use routes::{Method, ROUTES, Route};
pub use server::{Doors, bind, check_health, hosts_of, serve};
pub use spec::openapi;
