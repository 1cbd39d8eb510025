//! x
pub mod actor;
pub mod clock;
pub mod domain;
pub mod live;
pub mod router;
pub mod sqlite;
pub mod store;
pub mod view;
