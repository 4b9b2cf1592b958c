use super::super::cases::{cases, noise};
use crate::{Base, DType, Device, Extern, Gemm, Isa, Kernel, Layout, Memory, Operand, Program, Step};

/// A product whose operands, C and column sums are an extern each.
fn program(dtype: DType, [m, k, n]: [usize; 3], transposed: bool) -> Program {
    let lens = [m * k, k * n, m * n, n];
    let externs = (lens.iter().enumerate())
        .map(|(number, &len)| Extern { name: number.to_string(), dtype, len, written: number > 1 })
        .collect();
    let operand = |number, layout| Operand { base: Base::Extern(number), offset: 0, dtype, layout };
    let b = if transposed { Layout::contiguous(&[n, k]).permuted(&[1, 0]) } else { Layout::contiguous(&[k, n]) };
    let step = Step {
        kernel: Kernel::Gemm(Gemm { column_sums: true, epilogue: None }),
        inputs: vec![operand(0, Layout::contiguous(&[m, k])), operand(1, b)],
        outputs: vec![operand(2, Layout::contiguous(&[m, n])), operand(3, Layout::contiguous(&[n]))],
        label: String::new(),
    };
    Program { arena: 0, externs, steps: vec![step] }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // semantics 8.10
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for (dtype, sizes) in [
            (DType::F32, [129, 1100, 95]),
            (DType::F32, [3, 700, 517]),
            (DType::F32, [61, 9, 1030]),
            (DType::F64, [67, 530, 41]),
            (DType::F16, [17, 600, 70]),
        ] {
            for transposed in [false, true] {
                let program = program(dtype, sizes, transposed);
                let results = [1, 2, 3, 7].map(|threads| {
                    let device = Device::cpu().isa(isa).unwrap().threads(threads);
                    let mut executor = device.executor().unwrap();
                    let mut loaded = executor.load(&program).unwrap();
                    let mut arrays: Vec<_> = (program.externs.iter().enumerate())
                        .map(|(seed, memory)| noise(dtype, &[memory.len], seed).unwrap())
                        .collect();
                    let memory: Vec<_> = (arrays.iter_mut().zip(&program.externs))
                        .map(|(array, spec)| match spec.written {
                            true => Memory::Write(array.bytes_mut().unwrap()),
                            false => Memory::Read(array.bytes()),
                        })
                        .collect();
                    executor.run(&mut loaded, 1, memory.into_iter()).unwrap();
                    [arrays[2].bytes().to_vec(), arrays[3].bytes().to_vec()]
                });
                for other in &results[1..] {
                    assert!(other == &results[0], "{isa} {dtype} {sizes:?} {transposed}");
                }
            }
        }
    }
}

#[test]
fn every_case_passes_when_it_is_divided_among_threads() {
    let device = Device::cpu().threads(3);
    cases().unwrap().iter().for_each(|case| case.check(&device).unwrap());
}
