//! Work divided however small it is; and sizes that no array has but can be read from one element, which are computed or
//! refused, never attempted.

use crate::{Device, Error, Memory, Program, conformance};

const WILD: &str = "[9223372036854775807, 9223372036854775807, -9223372036854775807, 9223372036854775807]";

/// Runs a step over `x` of two elements 3 and 5, `f` of one element 2, and `y` of one element.
fn run(step: &str) -> Result<f32, Error> {
    let text = format!(
        "program arena=0\nextern 0 \"x\" f32[2]\nextern 1 \"f\" f32[1]\nextern 2 \"y\" f32[1] written\n%0: {step} -> (extern2@0 f32[1, 1, 1, 1])"
    );
    let program: Program = text.parse()?;
    program.verify()?;
    let mut executor = Device::cpu().threads(2).executor()?;
    let mut loaded = executor.load(&program)?;
    let (x, f, mut y) = ([3f32, 5.0], [2f32], [f32::NAN]);
    let memory = [
        Memory::Read(bytemuck::bytes_of(&x)),
        Memory::Read(bytemuck::bytes_of(&f)),
        Memory::Write(bytemuck::bytes_of_mut(&mut y)),
    ];
    executor.run(&mut loaded, 1, memory.into_iter())?;
    Ok(y[0])
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    // semantics 8.10
    // Fewer than there are partial sums, and more.
    conformance::same_bits("conv", &Device::cpu(), &[3, 13]).unwrap();
}

#[test]
fn taps_without_end_over_nothing_are_zero() {
    let step = "conv (extern0@0 f32[1, 0, 1, 1], extern1@0 f32[1099511627776, 1, 1, 1]/[0, 0, 0, 0])";
    assert_eq!(run(step).unwrap(), 0.0);
}

/// A copy of the image with its border would have 2^64 elements.
#[test]
fn images_too_large_to_copy_are_read_in_place() {
    let image = "extern0@4 f32[1, 1073741824, 1073741824, 1]/[0, 0, 0, 0]";
    let step = format!(
        "conv{{padding=[4294967290, 4294967290], dilation=[4294967295, 4294967295]}} \
         ({image}, extern1@0 f32[2, 2, 1, 1]/[0, 0, 0, 0])"
    );
    assert_eq!(run(&step).unwrap(), 10.0);
}

#[test]
fn sizes_at_the_end_of_memory_do_not_overflow() {
    for step in [
        "conv (extern0@0 f32[1, 2305843009213693951, 1, 1]/[0, 0, 0, 0], extern1@0 f32[1, 1, 1, 1])",
        "conv{strides=[4611686018427387904, 4611686018427387904]} (extern0@0 f32[1, 1, 2, 1], extern1@0 f32[1, 1, 1, 1])",
    ] {
        assert_eq!(run(step).unwrap(), 6.0, "{step}");
    }
}

#[test]
fn strides_along_one_element_mean_nothing() {
    for kernel in ["conv", "conv_input_gradient", "conv_weight_gradient"] {
        let step = format!(
            "{kernel}{{strides=[3, 5], dilation=[7, 11]}} (extern0@0 f32[1, 1, 1, 1]/{WILD}, extern1@0 f32[1, 1, 1, 1]/{WILD})"
        );
        assert_eq!(run(&step).unwrap(), 6.0, "{step}");
    }
}

/// Whether a program that reads one 16-bit element as very many can be loaded.
fn load(step: &str) -> Result<(), Error> {
    let text = format!("program arena=0\nextern 0 \"x\" f16[1]\nextern 1 \"y\" f16[1] written\n%0: {step}");
    let program: Program = text.parse()?;
    program.verify()?;
    Device::cpu().executor()?.load(&program).map(drop)
}

#[test]
fn filters_too_large_to_copy_are_read_in_place() {
    let channels = "2305843009213693952";
    let (x, f) = (format!("f16[1, 1, 1, {channels}]/[0, 0, 0, 0]"), format!("f16[1, 1, {channels}, 1]/[0, 0, 0, 0]"));
    load(&format!("conv (extern0@0 {x}, extern0@0 {f}) -> (extern1@0 f16[1, 1, 1, 1])")).unwrap();
    let image = "f16[1, 4611686018427387903, 1, 1]/[0, 0, 0, 0]";
    load(&format!("conv (extern0@0 {image}, extern0@0 f16[1, 1, 1, 1]) -> (extern1@0 f16[1, 1, 1, 1])")).unwrap();
}
