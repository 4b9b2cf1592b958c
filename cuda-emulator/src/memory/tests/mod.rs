//! Tests of this room.

mod accesses;
mod against_clocks;
mod grid;
mod host;
mod patterns;
mod speed;
