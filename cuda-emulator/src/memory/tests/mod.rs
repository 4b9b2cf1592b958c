//! Tests of this room.

mod against_clocks;
mod grid;
mod host;
mod patterns;
mod speed;
