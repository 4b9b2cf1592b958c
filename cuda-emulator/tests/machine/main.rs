//! What the machine promises, rule by rule, on PTX written by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod atomics;
mod barriers;
mod bench;
mod blocks;
mod control;
mod copies;
mod hostile;
mod launches;
mod memory;
mod modules;
mod system;
mod warps;
