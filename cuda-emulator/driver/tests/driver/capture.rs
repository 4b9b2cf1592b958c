//! Stream capture: what goes into the graph, how streams fork and join, and what a capture forbids.

use crate::common::{NULL_STREAM, case, context, download, event, fails, get, ok, pinned, stream, upload};
use cudarc::driver::sys::{self, CUstreamCaptureMode as Mode, CUstreamCaptureStatus as Status};
use std::ptr;

const N: usize = 4;
const GLOBAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_GLOBAL;
const LOCAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const RELAXED: Mode = Mode::CU_STREAM_CAPTURE_MODE_RELAXED;

fn fill(stream: sys::CUstream, address: sys::CUdeviceptr, value: u32) {
    ok!(cuMemsetD32Async(address, value, N, stream));
}

fn end(stream: sys::CUstream) -> sys::CUgraph {
    let mut graph = ptr::null_mut();
    ok!(cuStreamEndCapture(stream, &mut graph));
    graph
}

fn status(stream: sys::CUstream) -> Status {
    let mut status = Status::CU_STREAM_CAPTURE_STATUS_NONE;
    ok!(cuStreamIsCapturing(stream, &mut status));
    status
}

fn nodes(graph: sys::CUgraph) -> usize {
    let mut count = 0;
    ok!(cuGraphGetNodes(graph, ptr::null_mut(), &mut count));
    count
}

fn launch(graph: sys::CUgraph, stream: sys::CUstream) {
    let exec: sys::CUgraphExec = get!(cuGraphInstantiateWithFlags(_, graph, 0));
    ok!(cuGraphLaunch(exec, stream));
    ok!(cuStreamSynchronize(stream));
    ok!(cuGraphExecDestroy(exec));
}

case!(fork_and_join_over_events {
    context();
    let (first, second, a, b) = (stream(), stream(), upload(&[0i32; N]), upload(&[0i32; N]));
    let (forked, joined) = (event(), event());
    ok!(cuStreamBeginCapture_v2(first, LOCAL));
    fill(first, a, 1);
    ok!(cuEventRecord(forked, first));
    ok!(cuStreamWaitEvent(second, forked, 0));
    assert_eq!(status(second), Status::CU_STREAM_CAPTURE_STATUS_ACTIVE);
    ok!(cuMemcpyDtoDAsync_v2(b, a, N * 4, second));
    fill(first, a, 2);
    ok!(cuEventRecord(joined, second));
    ok!(cuStreamWaitEvent(first, joined, 0));
    ok!(cuMemcpyDtoDAsync_v2(a, b, N * 4, first));
    let graph = end(first);
    assert_eq!(status(second), Status::CU_STREAM_CAPTURE_STATUS_NONE);
    assert_eq!(nodes(graph), 4);
    let mut edges = 0;
    ok!(cuGraphGetEdges(graph, ptr::null_mut(), ptr::null_mut(), &mut edges));
    assert_eq!(edges, 4);
    assert_eq!(download::<i32>(a, N), [0; N]);
    launch(graph, second);
    // The copy to b came before or after the second fill of a, but before the copy back.
    assert_eq!(download::<i32>(a, N), download::<i32>(b, N));
    ok!(cuGraphDestroy(graph));
});

case!(a_fork_that_never_joins {
    context();
    let (first, second, a, forked) = (stream(), stream(), upload(&[0i32; N]), event());
    ok!(cuStreamBeginCapture_v2(first, LOCAL));
    ok!(cuEventRecord(forked, first));
    ok!(cuStreamWaitEvent(second, forked, 0));
    fill(second, a, 1);
    let mut graph = ptr::null_mut();
    fails!(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, cuStreamEndCapture(second, &mut graph));
    fails!(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(first, &mut graph));
    ok!(cuStreamBeginCapture_v2(first, LOCAL));
    ok!(cuEventRecord(forked, first));
    ok!(cuStreamWaitEvent(second, forked, 0));
    fill(second, a, 1);
    fails!(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(first, &mut graph));
    assert!(graph.is_null());
    fill(second, a, 3);
    ok!(cuStreamSynchronize(second));
    assert_eq!(download::<i32>(a, N), [3; N]);
});

case!(waits_and_queries_break_a_capture {
    context();
    let (stream, event) = (stream(), event());
    let broken = |code: fn(sys::CUstream, sys::CUevent)| {
        ok!(cuStreamBeginCapture_v2(stream, RELAXED));
        ok!(cuEventRecord(event, stream));
        code(stream, event);
        assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_INVALIDATED);
        let device = 0x1000;
        fails!(CUDA_ERROR_INVALID_VALUE, cuMemsetD8Async(device, 0, 1, stream));
        let mut graph = ptr::null_mut();
        fails!(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &mut graph));
        assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_NONE);
    };
    broken(|stream, _| fails!(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream)));
    broken(|stream, _| fails!(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamQuery(stream)));
    broken(|_, _| fails!(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxSynchronize()));
    broken(|_, event| fails!(CUDA_ERROR_CAPTURED_EVENT, cuEventQuery(event)));
    broken(|_, event| fails!(CUDA_ERROR_CAPTURED_EVENT, cuEventSynchronize(event)));
    broken(|stream, _| {
        let mut address = 0;
        fails!(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAllocAsync(&mut address, 16, stream));
    });
});

case!(allocations_break_strict_captures_only {
    let context = context() as usize;
    let (stream, mut graph) = (stream(), ptr::null_mut());
    let allocate = || {
        let mut address = 0;
        // SAFETY: a place for the answer.
        unsafe { sys::cuMemAlloc_v2(&mut address, 16) }
    };
    for (mode, here, elsewhere) in [(GLOBAL, false, false), (LOCAL, false, true), (RELAXED, true, true)] {
        for (other_thread, allowed) in [(false, here), (true, elsewhere)] {
            ok!(cuStreamBeginCapture_v2(stream, mode));
            let code = match other_thread {
                false => allocate(),
                true => std::thread::spawn(move || {
                    ok!(cuCtxSetCurrent(context as sys::CUcontext));
                    allocate()
                })
                .join()
                .unwrap(),
            };
            let expected = match allowed {
                true => sys::CUresult::CUDA_SUCCESS,
                false => sys::CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
            };
            assert_eq!(code, expected, "{mode:?} {other_thread}");
            // SAFETY: a place for the answer.
            let ended = unsafe { sys::cuStreamEndCapture(stream, &mut graph) };
            assert_eq!(ended == sys::CUresult::CUDA_SUCCESS, allowed);
        }
    }
    // A thread may declare itself careful.
    let mut mode = RELAXED;
    ok!(cuThreadExchangeStreamCaptureMode(&mut mode));
    assert_eq!(mode, GLOBAL);
    ok!(cuStreamBeginCapture_v2(stream, GLOBAL));
    assert_eq!(allocate(), sys::CUresult::CUDA_SUCCESS);
    end(stream);
});

case!(the_legacy_stream_and_captures {
    context();
    let (device, mut graph) = (upload(&[0i32; N]), ptr::null_mut());
    fails!(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(NULL_STREAM, LOCAL));
    let blocking: sys::CUstream = get!(cuStreamCreate(_, 0));
    ok!(cuStreamBeginCapture_v2(blocking, LOCAL));
    let mut status = Status::CU_STREAM_CAPTURE_STATUS_NONE;
    fails!(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuStreamIsCapturing(NULL_STREAM, &mut status));
    fails!(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemsetD32Async(device, 1, N, NULL_STREAM));
    fails!(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(blocking, &mut graph));
    // A non-blocking stream's capture does not concern it.
    let free = stream();
    ok!(cuStreamBeginCapture_v2(free, LOCAL));
    fill(NULL_STREAM, device, 1);
    end(free);
});

case!(captures_stay_apart_from_work_outside {
    context();
    let (first, second, event) = (stream(), stream(), event());
    let mut graph = ptr::null_mut();
    ok!(cuEventRecord(event, second));
    ok!(cuStreamBeginCapture_v2(first, RELAXED));
    fails!(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cuStreamWaitEvent(first, event, 0));
    fails!(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(first, &mut graph));
    ok!(cuStreamBeginCapture_v2(first, RELAXED));
    ok!(cuStreamBeginCapture_v2(second, RELAXED));
    ok!(cuEventRecord(event, second));
    fails!(CUDA_ERROR_STREAM_CAPTURE_MERGE, cuStreamWaitEvent(first, event, 0));
    fails!(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(first, &mut graph));
    fails!(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(second, &mut graph));
    fails!(CUDA_ERROR_ILLEGAL_STATE, cuStreamEndCapture(second, &mut graph));
});

case!(another_thread_cannot_end_a_strict_capture {
    let context = context() as usize;
    let stream = stream() as usize;
    ok!(cuStreamBeginCapture_v2(stream as sys::CUstream, LOCAL));
    std::thread::spawn(move || {
        ok!(cuCtxSetCurrent(context as sys::CUcontext));
        let mut graph = ptr::null_mut();
        fails!(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, cuStreamEndCapture(stream as sys::CUstream, &mut graph));
    })
    .join()
    .unwrap();
    end(stream as sys::CUstream);
});

case!(capture_info_names_graph_and_nodes {
    context();
    let (stream, device) = (stream(), upload(&[0i32; N]));
    ok!(cuStreamBeginCapture_v2(stream, LOCAL));
    fails!(CUDA_ERROR_ILLEGAL_STATE, cuStreamBeginCapture_v2(stream, LOCAL));
    fill(stream, device, 1);
    let (mut state, mut id, mut count) = (Status::CU_STREAM_CAPTURE_STATUS_NONE, 0, 0);
    let (mut graph, mut list) = (ptr::null_mut(), ptr::null());
    ok!(cuStreamGetCaptureInfo_v2(stream, &mut state, &mut id, &mut graph, &mut list, &mut count));
    assert_eq!((state, count), (Status::CU_STREAM_CAPTURE_STATUS_ACTIVE, 1));
    assert_ne!(id, 0);
    let mut kind = sys::CUgraphNodeType::CU_GRAPH_NODE_TYPE_EMPTY;
    // SAFETY: the driver says that there is one.
    ok!(cuGraphNodeGetType(*list, &mut kind));
    assert_eq!(kind, sys::CUgraphNodeType::CU_GRAPH_NODE_TYPE_MEMSET);
    assert_eq!(end(stream), graph);
});

case!(a_captured_copy_reads_host_memory_at_the_launch {
    context();
    let (stream, device, host) = (stream(), upload(&[0i32; N]), pinned(N));
    ok!(cuStreamBeginCapture_v2(stream, LOCAL));
    ok!(cuMemcpyHtoDAsync_v2(device, host.as_ptr().cast(), N * 4, stream));
    let graph = end(stream);
    for value in [4, 5] {
        host.fill(value);
        launch(graph, stream);
        assert_eq!(download::<i32>(device, N), [value; N]);
    }
});
