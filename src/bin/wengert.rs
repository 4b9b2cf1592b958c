//! The command line.

#![allow(clippy::print_stdout)]

use clap::{Parser, Subcommand};

/// Automatic differentiation on a tape that is compiled.
#[derive(Parser)]
#[command(name = "wengert", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says what this machine has for computing, what was searched, and the remedy for what is missing.
    Doctor,
}

fn main() {
    match Arguments::parse().command {
        Command::Doctor => doctor(),
    }
}

fn doctor() {
    println!("{}", wengert::build_info());
    for device in wengert::Device::list() {
        println!("{:<8} {device}", "computes");
    }
    println!("{:<8} {}", "best", wengert::Device::best());
    #[cfg(feature = "cuda")]
    print!("{}", wengert::cuda::report());
    #[cfg(not(feature = "cuda"))]
    println!("{:<8} this program was built without the feature `cuda`: build it with --features cuda,cli", "cuda");
}
