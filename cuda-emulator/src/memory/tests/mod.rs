//! Tests of this room.

mod grid;
mod host;
mod patterns;
