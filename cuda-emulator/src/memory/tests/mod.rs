//! Tests of this room.

mod host;
