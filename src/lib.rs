//! stub

mod build_info;

pub use build_info::{BuildInfo, build_info};
