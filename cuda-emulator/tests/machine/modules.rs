//! Modules: who may load them, and their variables.

use crate::bench::{module, text};
use cuda_emulator::memory::Memory;
use cuda_emulator::{Error, ErrorKind, Module};

fn load(text: &str, architecture: u32) -> Result<Module, Error> {
    Module::load(&Memory::new(1 << 20), text, architecture)
}

#[test]
fn newer_texts_are_refused() {
    let text = text("", "");
    load(&text, 90).unwrap();
    load(&text.replace(".version 8.6", ".version 9.0"), 90).unwrap();
    let version = load(&text.replace(".version 8.6", ".version 9.1"), 90).unwrap_err();
    assert_eq!(version.kind(), ErrorKind::UnsupportedVersion);
    assert_eq!(load(&text, 80).unwrap_err().kind(), ErrorKind::NoBinaryForDevice);
    let specific = text.replace("sm_90", "sm_90a");
    load(&specific, 90).unwrap();
    assert_eq!(load(&specific, 100).unwrap_err().kind(), ErrorKind::NoBinaryForDevice);
    load(&text.replace("sm_90", "sm_75"), 90).unwrap();
}

#[test]
fn variables_begin_as_they_say() {
    let declarations = "
.global .align 4 .u32 table[6] = {3, 4, 5};
.global .u64 pointer[2] = {table, table+8};
.const .align 1 .b8 odd[7] = {1, 2, 3};
.global .u32 plain;";
    let body = "
    mov.u64 %rd3, pointer;
    ld.global.u64 %rd4, [%rd3+8];
    ld.global.v2.u32 {%r4, %r5}, [%rd4];
    ld.const.u8 %r6, [odd+1];
    ld.const.u8 %r7, [odd+6];
    ld.global.u32 %r8, [plain];
    st.global.u32 [%rd0], %r4;
    st.global.u32 [%rd0+4], %r5;
    st.global.u32 [%rd0+8], %r6;
    st.global.u32 [%rd0+12], %r7;
    st.global.u32 [%rd0+16], %r8;";
    let bench = module(declarations, body).threads(1);
    assert_eq!(bench.gives(5), [5, 0, 2, 0, 0]);
    let (address, bytes) = bench.module.variable("table").unwrap();
    assert_eq!(bytes, 24);
    let mut first = [0; 4];
    bench.memory.read(address, &mut first).unwrap();
    assert_eq!(first, [3, 0, 0, 0]);
    assert!(bench.module.variable("none").is_err());
}

#[test]
fn memory_of_variables_is_given_back() {
    let memory = Memory::new(1 << 20);
    let text = text(".global .u32 table[1000];", "");
    let module = Module::load(&memory, &text, 90).unwrap();
    assert_eq!(memory.used(), 4000);
    module.unload(&memory);
    assert_eq!((memory.used(), memory.live()), (0, 0));
    // Also of a module that does not fit.
    let large = text.replace("table[1000];", "table[1000]; .global .u32 more[300000];");
    assert!(Module::load(&memory, &large, 90).unwrap_err().to_string().contains("no memory"));
    assert_eq!((memory.used(), memory.live()), (0, 0));
}

#[test]
fn variables_that_nobody_defines() {
    let text = text(".extern .global .u32 elsewhere;", "mov.u64 %rd3, elsewhere; st.global.u32 [%rd3], 1;");
    let why = load(&text, 90).unwrap_err();
    assert_eq!(why.kind(), ErrorKind::Invalid);
    assert!(why.to_string().contains("elsewhere"), "{why}");
}
