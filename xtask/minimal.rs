//! The program whose cold build `cargo xtask build-time` measures.

fn main() {
    println!("{}", wengert::build_info());
}
