//! What a device refuses to launch.

use crate::bench::{Bench, kernel, module, text};
use cuda_emulator::ErrorKind;
use cuda_emulator::Module;
use cuda_emulator::machine::DeviceLimits;

fn refused(bench: &Bench) -> String {
    let error = bench.try_run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    error.to_string()
}

#[test]
fn sizes_of_blocks_and_grids() {
    let shape = |grid: [u32; 3], block: [u32; 3]| {
        let mut bench = kernel("exit;");
        (bench.launch.grid, bench.launch.block) = (grid, block);
        bench
    };
    for (grid, block) in [
        ([0, 1, 1], [1; 3]),
        ([1; 3], [1, 0, 1]),
        ([1, 65_536, 1], [1; 3]),
        ([1, 1, 65_536], [1; 3]),
        ([1 << 31, 1, 1], [1; 3]),
        ([1; 3], [1025, 1, 1]),
        ([1; 3], [1, 1, 65]),
        ([1; 3], [32, 33, 1]),
    ] {
        refused(&shape(grid, block));
    }
    shape([2, 3, 4], [4, 4, 64]).quiet();
    shape([1; 3], [1, 1024, 1]).quiet();
}

#[test]
fn parameters_have_their_size() {
    let mut bench = kernel("exit;");
    bench.launch.parameters.push(0);
    assert!(refused(&bench).contains("13 bytes of parameters; it takes 12"));
    bench.launch.parameters.truncate(8);
    refused(&bench);
}

#[test]
fn shared_memory_has_its_limits() {
    let shared = |fixed: u32, open: u32, architecture: u32| {
        let body = format!(".shared .align 4 .b8 s[{fixed}]; mov.u32 %r4, s; st.shared.u32 [%r4], 0;");
        let mut bench = kernel(&body).threads(1);
        bench.launch.dynamic_shared = open;
        bench.settings.device = DeviceLimits::of(architecture);
        bench
    };
    shared(1024, 226 << 10, 90).quiet();
    refused(&shared(1024, (226 << 10) + 1, 90));
    refused(&shared(1024, 163 << 10, 80));
    shared(48 << 10, 0, 90).quiet();
    // A device may have less for a block that does not ask for more.
    let mut small = shared(1024, 0, 90);
    small.settings.device.shared_per_block = 1000;
    assert!(refused(&small).contains("static"));
}

#[test]
fn the_open_array_begins_behind_the_others() {
    let body = "
    .shared .align 4 .b8 s[20];
    mov.u32 %r4, open;
    mov.u32 %r5, s;
    sub.u32 %r6, %r4, %r5;
    mov.u32 %r7, %dynamic_smem_size;
    mov.u32 %r8, %total_smem_size;
    st.global.u32 [%rd0], %r6;
    st.global.u32 [%rd0+4], %r7;
    st.global.u32 [%rd0+8], %r8;
    st.shared.u32 [%r4+96], %r6;";
    let mut bench = module(".extern .shared .align 16 .b8 open[];", body).threads(1);
    bench.launch.dynamic_shared = 100;
    assert_eq!(bench.gives(3), [32, 100, 132]);
    bench.launch.dynamic_shared = 96;
    bench.finds(cuda_emulator::Finding::OutOfBounds);
}

#[test]
fn threads_that_a_kernel_was_compiled_for() {
    let limited = |directive: &str| {
        let mut bench = kernel("exit;");
        let text = text("", "exit;").replace(".param .u32 n)", &format!(".param .u32 n) {directive}"));
        bench.module = Module::load(&bench.memory, &text, 90).unwrap();
        bench
    };
    limited(".maxntid 64, 1, 1").threads(64).quiet();
    assert!(refused(&limited(".maxntid 64, 1, 1").threads(65)).contains("at most 64"));
    limited(".reqntid 64, 1, 1").threads(64).quiet();
    refused(&limited(".reqntid 64, 1, 1").threads(32));
    let cluster = limited(".reqnctapercluster 2, 1, 1").blocks(2).try_run().unwrap_err();
    assert_eq!(cluster.kind(), ErrorKind::Unsupported);
}
