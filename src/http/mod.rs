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
//! | `connections` | how many are let in at once |
//! | `beside` | asks another server of this machine |
//! | `server` | listens, answers, ends |
//! | `problem` | how a request fails |
//! | `metrics`, `system_figures` | what is counted |
//! | `trail` | what the log says of requests |

mod access;
mod api;
mod app;
mod ask;
mod beside;
mod connections;
mod live;
mod metrics;
mod pages;
mod problem;
mod routes;
mod server;
mod spec;
mod system_figures;
mod trail;

pub use access::{ALGORITHMS, JwtSettings};
pub use app::{App, Serving};
pub use beside::Beside;
pub use metrics::{FIGURES, Metrics};
pub use routes::{Method, Route, routes};
pub use server::{Doors, bind, hosts_of, serve};
pub use spec::openapi;
