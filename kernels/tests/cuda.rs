//! CUDA devices against the reference. Needs one, or the emulated one: `cargo xtask emulate -- cargo test ...`.

#![cfg(feature = "cuda")]

use wengert_kernels::{Device, Error, Memory, Program};

/// The first device. A machine without one says so and passes; in CI there is the emulated one.
fn device() -> Result<Device, Error> {
    let device = Device::cuda(0);
    assert!(device.is_ok() || std::env::var_os("CI").is_none(), "{device:?}, and in CI nothing is skipped");
    device
}

wengert_kernels::conformance!(cuda, device());

/// Two gathers, and a variable that counts the steps.
const FAILING: &str = "program arena=256
extern 0 \"table\" f32[4]
extern 1 \"first\" i64[3]
extern 2 \"second\" i32[2]
extern 3 \"steps\" f32[1] written
extern 4 \"rows\" f32[3] written
%0: gather{axis=0} (extern0@0 f32[4], extern1@0 i64[3]) -> (extern4@0 f32[3])
%1: gather{axis=0} (extern0@0 f32[4], extern2@0 i32[2]) -> (arena@0 f32[2])
%2: map{expr=|f32| {v0 = in0; v1 = 1.0:f32; v2 = add(v0, v1); v2:f32}} (extern3@0 f32[1]) -> (extern3@0 f32[1])
";

/// What comes of several steps over these indices: the words of the error, and how many steps were counted.
fn failing(device: &Device, steps: usize, first: &[i64], second: &[i32]) -> Result<(Option<String>, f32), Error> {
    let program: Program = FAILING.parse()?;
    let mut executor = device.executor()?;
    let mut loaded = executor.load(&program)?;
    let (table, mut count, mut rows) = ([1.0f32, 2.0, 3.0, 4.0], [0.0f32], [0.0f32; 3]);
    let memory = [
        Memory::Read(bytemuck::cast_slice(&table)),
        Memory::PerStep(bytemuck::cast_slice(first)),
        Memory::PerStep(bytemuck::cast_slice(second)),
        Memory::Write(bytemuck::cast_slice_mut(&mut count)),
        Memory::Write(bytemuck::cast_slice_mut(&mut rows)),
    ];
    let ran = executor.run(&mut loaded, steps, memory.into_iter());
    if ran.is_ok() {
        assert_eq!(rows, [1.0, 2.0, 4.0]);
    }
    Ok((ran.err().map(|why| why.to_string()), count[0]))
}

/// The first step that fails is the one that is named, whatever the steps after it would have said; it changes no variable.
#[test]
fn failures_are_those_of_the_cpu() -> Result<(), Error> {
    // semantics 8.9
    let device = match device() {
        Ok(device) => device,
        Err(why) => {
            eprintln!("skipped: {why}");
            return Ok(());
        }
    };
    let good = [0i64, 1, -1];
    let wrong = |places: &[(usize, i64)]| {
        let mut all = good.repeat(3);
        places.iter().for_each(|&(at, index)| all[at] = index);
        all
    };
    for (first, second, wanted) in [
        (wrong(&[]), [0, 1, 2, 3, -4, 0], None),
        // The lowest element of the first wrong step.
        (wrong(&[(4, 99), (5, 4), (6, -5)]), [0; 6], Some(("index 99 is out of range for axis 0 of size 4", 1.0))),
        // The second gather of the first step comes before the first gather of the second step.
        (wrong(&[(3, 77)]), [0, 5, 0, 0, 0, 0], Some(("index 5 is out of range for axis 0 of size 4", 0.0))),
        (wrong(&[(8, -9)]), [0, 0, 0, 0, 6, 0], Some(("index -9 is out of range for axis 0 of size 4", 2.0))),
    ] {
        let wanted = wanted.map_or((None, 3.0), |(words, steps)| (Some(words.to_owned()), steps));
        for device in [&Device::cpu(), &device] {
            assert_eq!(failing(device, 3, &first, &second)?, wanted, "{device}");
        }
    }
    Ok(())
}
