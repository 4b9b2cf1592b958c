//! What all groups share: devices, made-up numbers, and functions that are called without allocating.

#![allow(dead_code, reason = "each group of benchmarks is a program of its own, which uses its part")]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use std::time::Duration;
use wengert::{Array, ArrayView, DType, Device, Function, Session, Tensor, Update};
use wengert_kernels::{Memory, Program, Resident};

/// Every device of this machine, with its name in reports.
pub(crate) fn devices() -> Vec<(&'static str, Device)> {
    cpus().into_iter().chain(gpu()).collect()
}

/// The first CUDA device, if it can compute: `wengert doctor` says why one cannot. Without the feature `cuda` there is none.
fn gpu() -> Option<(&'static str, Device)> {
    let device = Device::cuda(0).ok().filter(|device| device.executor().is_ok())?;
    Some(("cuda:0", device))
}

/// These sizes if there is a GPU, which smaller ones do not fill. Every device is then measured with them.
pub(crate) fn for_gpu<T>(sizes: &[T]) -> &[T] {
    if gpu().is_some() { sizes } else { &[] }
}

/// The CPU with one thread, and with all of them where there are more.
fn cpus() -> Vec<(&'static str, Device)> {
    let mut devices = vec![("cpu, 1 thread", Device::cpu().threads(1))];
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        devices.push(("cpu, all threads", Device::cpu()));
    }
    devices
}

/// A group whose benchmarks take a second or less: in a few minutes all groups run.
pub(crate) fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
    group
}

/// Numbers from -1 to 1 that look like nothing.
pub(crate) fn values(shape: &[usize]) -> Array {
    let mut state = 1u64;
    Array::from_fn(DType::F32, shape, |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1u32 << 23) - 1.0
    })
    .unwrap()
}

/// A placeholder of the shape of each of `arrays`, for a function of them.
pub(crate) fn placeholders(graph: &wengert::Graph, arrays: &[Array]) -> Vec<Tensor> {
    let place = |array: &Array| graph.placeholder("x", array.dtype(), array.shape().iter().copied().map(Some));
    arrays.iter().map(place).collect()
}

/// The function of `inputs` that computes `outputs` and makes `updates`.
pub(crate) fn function(inputs: &[Tensor], outputs: &[&Tensor], updates: &[Update]) -> Function {
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    inputs[0].graph().function(&inputs, outputs).updates(updates).compile().unwrap()
}

/// Measures calls of a function on each device: on the CPU calls as a user makes them, on CUDA runs of the function's program over
/// arrays that lie on the device, so that no copy is measured.
pub(crate) fn calls(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    work: Throughput,
    function: &Function,
    inputs: &[Array],
) {
    group.throughput(work);
    let views: Vec<ArrayView<'_>> = inputs.iter().map(Array::view).collect();
    for (device, on) in cpus() {
        let mut session = Session::new(on).unwrap();
        let feeds: Vec<wengert::Feed<'_>> = views.iter().map(|&view| view.into()).collect();
        let mut outputs = function.call(&mut session, &feeds).unwrap();
        group.bench_function(BenchmarkId::new(name, device), |bencher| {
            bencher.iter(|| function.call_into(&mut session, &views, &mut outputs).unwrap());
        });
    }
    let Some((device, on)) = gpu() else { return };
    let shapes: Vec<&[usize]> = inputs.iter().map(Array::shape).collect();
    let planned = function.plan(&shapes).unwrap();
    // Inputs are a program's first externs. Variables begin as zeros.
    let others = planned.program().externs[inputs.len()..].iter();
    let zeros = others.map(|memory| Array::zeros(memory.dtype, &[memory.len]).unwrap());
    let arrays = inputs.iter().cloned().chain(zeros).collect();
    runs(group, BenchmarkId::new(name, device), &on, planned.program(), arrays);
}

/// Measures runs of a program over arrays that are where the device computes. Each run is waited for: a time is that of the
/// computation, of one launch and of noticing the end, which are some microseconds on CUDA. Arrays are the same in every run, so
/// that small ones stay in caches.
pub(crate) fn runs(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    device: &Device,
    program: &Program,
    arrays: Vec<Array>,
) {
    let mut executor = device.executor().unwrap();
    let mut loaded = executor.load(program).unwrap();
    let mut values: Vec<Resident> = arrays.into_iter().map(|array| executor.upload(array).unwrap()).collect();
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            let memory = values.iter_mut().zip(&program.externs).map(|(value, memory)| match memory.written {
                true => Memory::Update(value),
                false => Memory::Keep(value),
            });
            executor.run(&mut loaded, 1, memory).unwrap();
            executor.synchronize().unwrap();
        });
    });
}
