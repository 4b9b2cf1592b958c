//! Work runs as late as the rules allow, and in an order that only events and the legacy stream restrict.

use crate::common::{
    NULL_STREAM, PTX, case, context, download, event, fails, get, kernel, launch, load, ok, pinned, run, stream, upload,
};
use cudarc::driver::sys::{self, CUresult};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const N: usize = 8;

/// Writes a number all over device memory, in a stream.
fn fill(stream: sys::CUstream, address: sys::CUdeviceptr, value: u32) {
    ok!(cuMemsetD32Async(address, value, N, stream));
}

case!(page_locked_memory_is_old_until_somebody_waits {
    context();
    let (stream, host, device) = (stream(), pinned(N), upload(&[0i32; N]));
    fill(stream, device, 7);
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, N * 4, stream));
    assert_eq!(host, [0; N]);
    ok!(cuStreamSynchronize(stream));
    assert_eq!(host, [7; N]);
});

case!(page_locked_memory_is_read_when_the_copy_runs {
    context();
    let (stream, host, device) = (stream(), pinned(N), upload(&[0i32; N]));
    host.fill(1);
    ok!(cuMemcpyHtoDAsync_v2(device, host.as_ptr().cast(), N * 4, stream));
    host.fill(2);
    ok!(cuStreamSynchronize(stream));
    assert_eq!(download::<i32>(device, N), [2; N]);
});

case!(pageable_memory_is_taken_at_the_call {
    context();
    let (stream, device) = (stream(), upload(&[0i32; N]));
    let mut host = [1i32; N];
    ok!(cuMemcpyHtoDAsync_v2(device, host.as_ptr().cast(), N * 4, stream));
    host.fill(2);
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, N * 4, stream));
    assert_eq!(host, [1; N], "a copy to pageable memory is done when the call returns");
});

case!(eager_runs_at_the_call [EAGER = 1] {
    context();
    let (stream, host, device) = (stream(), pinned(N), upload(&[0i32; N]));
    fill(stream, device, 7);
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, N * 4, stream));
    assert_eq!(host, [7; N]);
    ok!(cuStreamQuery(stream));
});

case!(a_query_makes_one_step {
    context();
    let (stream, device, event) = (stream(), upload(&[0i32; N]), event());
    fill(stream, device, 1);
    fill(stream, device, 2);
    ok!(cuEventRecord(event, stream));
    for _ in 0..3 {
        fails!(CUDA_ERROR_NOT_READY, cuEventQuery(event));
    }
    ok!(cuEventQuery(event));
    ok!(cuStreamQuery(stream));
});

case!(waiting_for_one_stream_leaves_the_others {
    context();
    let (first, second, host) = (stream(), stream(), pinned(N));
    let device = upload(&[0i32; N]);
    fill(first, device, 3);
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, N * 4, first));
    ok!(cuStreamSynchronize(second));
    assert_eq!(host, [0; N]);
    ok!(cuCtxSynchronize());
    assert_eq!(host, [3; N]);
});

case!(an_event_orders_two_streams {
    context();
    let (first, second, device, event) = (stream(), stream(), upload(&[0i32; N]), event());
    fill(first, device, 1);
    ok!(cuEventRecord(event, first));
    fill(first, device, 9);
    ok!(cuStreamWaitEvent(second, event, 0));
    let host = pinned(N);
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, N * 4, second));
    ok!(cuStreamSynchronize(second));
    // What stands behind the event in its stream has no reason to have run.
    assert_eq!(host, [1; N]);
});

case!(an_event_recorded_anew_stands_for_its_last_place {
    context();
    let (stream, device, event) = (stream(), upload(&[0i32; N]), event());
    ok!(cuEventRecord(event, stream));
    fill(stream, device, 5);
    ok!(cuEventRecord(event, stream));
    ok!(cuEventSynchronize(event));
    ok!(cuEventQuery(event));
    ok!(cuStreamQuery(stream));
});

/// The number that a racing pair of streams leaves behind.
fn winner() -> i32 {
    context();
    let (first, second, device) = (stream(), stream(), upload(&[0i32; N]));
    fill(first, device, 1);
    fill(second, device, 2);
    ok!(cuCtxSynchronize());
    download::<i32>(device, 1)[0]
}

#[test]
fn the_seed_picks_among_unordered_streams() {
    let path = concat!(module_path!(), "::the_seed_picks_among_unordered_streams");
    if crate::common::in_child() {
        println!("winner {}", winner());
        return;
    }
    let of = |seed: u32| {
        let output = crate::common::start(path, &[("SEED", seed.to_string())]);
        output.stdout.lines().find_map(|line| line.split_once("winner ")).unwrap().1.to_owned()
    };
    let winners: Vec<_> = (0..8).map(of).collect();
    assert!(winners.contains(&"1".into()) && winners.contains(&"2".into()), "{winners:?}");
    assert_eq!(of(3), winners[3], "one seed is one order");
}

/// A chain of steps that jumps from stream to stream, tied by events alone, with work of no concern in between.
fn chain() {
    const STEPS: usize = 40;
    context();
    let streams: [sys::CUstream; 4] = std::array::from_fn(|_| stream());
    let (value, history, noise) = (upload(&[0i32]), upload(&[0i32; STEPS]), upload(&[0i32; N]));
    let mut last = event();
    for step in 0..STEPS {
        let stream = streams[step * step % 7 % 4];
        fill(streams[step % 4], noise, step as u32);
        ok!(cuStreamWaitEvent(stream, last, 0));
        ok!(cuMemsetD32Async(value, step as u32, 1, stream));
        ok!(cuMemcpyDtoDAsync_v2(history + 4 * step as u64, value, 4, stream));
        last = event();
        ok!(cuEventRecord(last, stream));
    }
    ok!(cuEventSynchronize(last));
    assert_eq!(download::<i32>(history, STEPS), (0..STEPS as i32).collect::<Vec<_>>());
}

#[test]
fn events_hold_a_chain_together_under_each_seed() {
    if crate::common::in_child() {
        return chain();
    }
    for seed in 0..10 {
        let path = concat!(module_path!(), "::events_hold_a_chain_together_under_each_seed");
        crate::common::start(path, &[("SEED", seed.to_string())]);
    }
}

case!(the_legacy_stream_waits_for_blocking_streams {
    context();
    let (blocking, device): (sys::CUstream, _) = (get!(cuStreamCreate(_, 0)), upload(&[0i32; N]));
    fill(blocking, device, 1);
    fill(NULL_STREAM, device, 2);
    fill(blocking, device, 3);
    ok!(cuStreamSynchronize(blocking));
    assert_eq!(download::<i32>(device, N), [3; N]);
    // A blocking stream's wait ran what the legacy stream had before.
    ok!(cuStreamQuery(NULL_STREAM));
});

case!(the_legacy_stream_leaves_non_blocking_streams {
    context();
    let (free, device, host) = (stream(), upload(&[0i32; N]), pinned(N));
    fill(free, device, 4);
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, N * 4, free));
    ok!(cuStreamSynchronize(NULL_STREAM));
    assert_eq!(host, [0; N]);
});

case!(each_thread_has_its_default_stream {
    let context = context() as usize;
    let default_stream = || {
        let mut id = 0;
        ok!(cuStreamGetId(2 as sys::CUstream, &mut id));
        id
    };
    let other = std::thread::spawn(move || {
        ok!(cuCtxSetCurrent(context as sys::CUcontext));
        default_stream()
    });
    assert_ne!(default_stream(), other.join().unwrap());
    assert_eq!(default_stream(), default_stream());
});

case!(properties_of_streams {
    let context = context();
    let (mut least, mut greatest) = (9, 9);
    ok!(cuCtxGetStreamPriorityRange(&mut least, &mut greatest));
    assert!(greatest < least);
    let stream: sys::CUstream = get!(cuStreamCreateWithPriority(_, 1, greatest - 100));
    let mut priority = 0;
    ok!(cuStreamGetPriority(stream, &mut priority));
    assert_eq!(priority, greatest);
    let mut flags = 0;
    ok!(cuStreamGetFlags(stream, &mut flags));
    assert_eq!(flags, 1);
    let mut of = std::ptr::null_mut();
    ok!(cuStreamGetCtx(stream, &mut of));
    assert_eq!(of, context);
    fails!(CUDA_ERROR_INVALID_VALUE, cuStreamCreate(&mut { stream }, 2));
});

case!(events_without_times_or_places {
    context();
    let (plain, silent): (_, sys::CUevent) = (event(), get!(cuEventCreate(_, 2)));
    ok!(cuEventQuery(plain));
    ok!(cuEventSynchronize(plain));
    let mut time = 0.0;
    fails!(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&mut time, plain, plain));
    ok!(cuEventRecord(plain, NULL_STREAM));
    fails!(CUDA_ERROR_NOT_READY, cuEventElapsedTime(&mut time, plain, plain));
    ok!(cuEventRecord(silent, NULL_STREAM));
    ok!(cuEventSynchronize(silent));
    ok!(cuEventElapsedTime(&mut time, plain, plain));
    assert_eq!(time, 0.0);
    fails!(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&mut time, plain, silent));
});

static CALLS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn called(data: *mut c_void) {
    CALLS.fetch_add(data as usize as u32, Ordering::SeqCst);
    // No call of the driver is allowed here.
    fails!(CUDA_ERROR_NOT_PERMITTED, cuCtxSynchronize());
}

case!(host_functions_run_in_their_turn {
    context();
    let stream = stream();
    ok!(cuLaunchHostFunc(stream, Some(called), 5 as *mut c_void));
    assert_eq!(CALLS.load(Ordering::SeqCst), 0);
    ok!(cuStreamSynchronize(stream));
    assert_eq!(CALLS.load(Ordering::SeqCst), 5);
});

unsafe extern "C" fn waits(data: *mut c_void) {
    // SAFETY: the test keeps the receiver until the stream is done.
    let _ = unsafe { &*data.cast::<Receiver<()>>() }.recv_timeout(Duration::from_secs(20));
}

case!(a_host_function_that_waits_holds_nobody_else {
    let context = context() as usize;
    let (stream, event, (release, receiver)) = (stream(), event(), channel::<()>());
    let data = std::ptr::from_ref(&receiver).cast_mut().cast();
    ok!(cuLaunchHostFunc(stream, Some(waits), data));
    ok!(cuEventRecord(event, stream));
    for _ in 0..3 {
        fails!(CUDA_ERROR_NOT_READY, cuEventQuery(event));
    }
    let event = event as usize;
    let waiting = std::thread::spawn(move || {
        ok!(cuCtxSetCurrent(context as sys::CUcontext));
        ok!(cuEventSynchronize(event as sys::CUevent));
    });
    // The other thread waits for the function; this one goes on calling.
    let device = upload(&[1i32; N]);
    assert_eq!(download::<i32>(device, N), [1; N]);
    release.send(()).unwrap();
    waiting.join().unwrap();
    ok!(cuStreamQuery(stream));
});

case!(a_long_queue_is_worked_off {
    context();
    let (stream, device) = (stream(), upload(&[0i32; N]));
    let (function, n) = (kernel(load(PTX).unwrap(), "fill"), N as i32);
    for value in 0..3000i32 {
        run(function, (1, 32, 0), stream, [&device, &value, &n]);
    }
    ok!(cuStreamSynchronize(stream));
    assert_eq!(download::<i32>(device, N), [2999; N]);
    assert_eq!(launch(function, (0, 1, 0), stream, [&device, &n, &n]), CUresult::CUDA_ERROR_INVALID_VALUE);
});
