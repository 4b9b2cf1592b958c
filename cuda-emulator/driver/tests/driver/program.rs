//! An unmodified cudarc program, by its safe interface: contexts, streams, modules, launches, graphs, events, pinned memory.

use crate::common::{PTX, case};
use cudarc::driver::sys::{CUfunction_attribute, CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

const N: usize = 1000;

fn numbers(factor: f32) -> Vec<f32> {
    (0..N).map(|i| i as f32 * factor).collect()
}

fn axpy(stream: &Arc<CudaStream>, function: &CudaFunction, a: f32, x: &CudaSlice<f32>, y: &mut CudaSlice<f32>) {
    let mut launch = stream.launch_builder(function);
    let n = N as i32;
    launch.arg(&a).arg(x).arg(y).arg(&n);
    // SAFETY: these are the kernel's parameters.
    unsafe { launch.launch(LaunchConfig::for_num_elems(N as u32)) }.unwrap();
}

case!(launches_and_copies {
    let context = CudaContext::new(0).unwrap();
    assert_eq!(context.compute_capability().unwrap(), (8, 0));
    assert!(context.name().unwrap().contains("emulator"));
    let module = context.load_module(Ptx::from_src(PTX)).unwrap();
    let function = module.load_function("axpy").unwrap();
    assert_eq!(function.get_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK).unwrap(), 1024);
    let stream = context.new_stream().unwrap();
    let x = stream.clone_htod(&numbers(1.0)).unwrap();
    let mut y = stream.clone_htod(&numbers(0.5)).unwrap();
    axpy(&stream, &function, 2.0, &x, &mut y);
    let z = stream.clone_dtod(&y).unwrap();
    assert_eq!(stream.clone_dtoh(&z).unwrap(), numbers(2.5));
    let zeros: CudaSlice<f32> = stream.alloc_zeros(N).unwrap();
    assert_eq!(stream.clone_dtoh(&zeros).unwrap(), vec![0.0; N]);
    context.synchronize().unwrap();
});

case!(variables_of_modules {
    let context = CudaContext::new(0).unwrap();
    let module = context.load_module(Ptx::from_src(PTX)).unwrap();
    let stream = context.default_stream();
    let mut coefficients = module.get_global("coefficients", &stream).unwrap();
    // SAFETY: the variable is two of these.
    let mut coefficients = unsafe { coefficients.transmute_mut::<f32>(2) }.unwrap();
    stream.memcpy_htod(&[1.0f32, 3.0], &mut coefficients).unwrap();
    let x = stream.clone_htod(&numbers(1.0)).unwrap();
    let mut y: CudaSlice<f32> = stream.alloc_zeros(N).unwrap();
    let (function, n) = (module.load_function("line").unwrap(), N as i32);
    let mut launch = stream.launch_builder(&function);
    launch.arg(&mut y).arg(&x).arg(&n);
    // SAFETY: these are the kernel's parameters.
    unsafe { launch.launch(LaunchConfig::for_num_elems(N as u32)) }.unwrap();
    let expected: Vec<f32> = numbers(1.0).iter().map(|x| 1.0 + 3.0 * x).collect();
    assert_eq!(stream.clone_dtoh(&y).unwrap(), expected);
});

case!(graph_is_captured_and_replayed {
    let context = CudaContext::new(0).unwrap();
    // One stream needs no events between its operations, and captures take none from outside.
    // SAFETY: all work is in one stream.
    unsafe { context.disable_event_tracking() };
    let function = context.load_module(Ptx::from_src(PTX)).unwrap().load_function("axpy").unwrap();
    let stream = context.new_stream().unwrap();
    let x = stream.clone_htod(&numbers(1.0)).unwrap();
    let mut y: CudaSlice<f32> = stream.alloc_zeros(N).unwrap();
    stream.synchronize().unwrap();
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).unwrap();
    axpy(&stream, &function, 1.0, &x, &mut y);
    axpy(&stream, &function, 2.0, &x, &mut y);
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags).unwrap().unwrap();
    assert_eq!(stream.clone_dtoh(&y).unwrap(), vec![0.0; N], "a capture runs nothing");
    graph.upload().unwrap();
    for _ in 0..3 {
        graph.launch().unwrap();
    }
    assert_eq!(stream.clone_dtoh(&y).unwrap(), numbers(9.0));
});

case!(events_order_streams_and_take_times {
    let context = CudaContext::new(0).unwrap();
    let function = context.load_module(Ptx::from_src(PTX)).unwrap().load_function("axpy").unwrap();
    let (first, second) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let x = first.clone_htod(&numbers(1.0)).unwrap();
    let mut y = first.clone_htod(&numbers(1.0)).unwrap();
    let timed = Some(cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT);
    let begin = first.record_event(timed).unwrap();
    axpy(&first, &function, 1.0, &x, &mut y);
    let end = first.record_event(timed).unwrap();
    assert!(!end.is_complete());
    second.wait(&end).unwrap();
    axpy(&second, &function, 1.0, &x, &mut y);
    assert_eq!(second.clone_dtoh(&y).unwrap(), numbers(3.0));
    assert!(begin.is_complete() && end.is_complete());
    assert!(begin.elapsed_ms(&end).unwrap() >= 0.0);
});

case!(pinned_memory_goes_both_ways {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    // SAFETY: it is written before it is read.
    let mut host = unsafe { context.alloc_pinned::<f32>(N) }.unwrap();
    host.as_mut_slice().unwrap().copy_from_slice(&numbers(1.0));
    let device = stream.clone_htod(&host).unwrap();
    // SAFETY: as above.
    let mut back = unsafe { context.alloc_pinned::<f32>(N) }.unwrap();
    stream.memcpy_dtoh(&device, &mut back).unwrap();
    assert_eq!(back.as_slice().unwrap(), numbers(1.0));
});

case!(threads_share_a_context {
    let context = CudaContext::new(0).unwrap();
    let function = context.load_module(Ptx::from_src(PTX)).unwrap().load_function("axpy").unwrap();
    let work = |factor: f32| {
        let (context, function) = (context.clone(), function.clone());
        std::thread::spawn(move || {
            let stream = context.new_stream().unwrap();
            for _ in 0..5 {
                let x = stream.clone_htod(&numbers(factor)).unwrap();
                let mut y = stream.clone_htod(&numbers(1.0)).unwrap();
                axpy(&stream, &function, 1.0, &x, &mut y);
                assert_eq!(stream.clone_dtoh(&y).unwrap(), numbers(1.0 + factor));
            }
        })
    };
    let threads: Vec<_> = [1.0, 2.0, 3.0, 4.0].into_iter().map(work).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
});
