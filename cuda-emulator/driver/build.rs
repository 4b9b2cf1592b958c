//! Gives the library the name under which programs ask the loader for a CUDA driver.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
