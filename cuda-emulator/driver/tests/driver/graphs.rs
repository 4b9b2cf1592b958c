//! Graphs made by hand: nodes, edges, parameters, clones, updates.

use crate::common::{
    PTX, case, context, counter, download, fails, fresh_file, get, kernel, load, ok, pointers, stream, upload,
};
use cudarc::driver::sys::{self, CUgraphNodeType as Kind};
use std::ffi::{CString, c_void};
use std::ptr;

const N: usize = 4;

/// The parameters of a node that runs `fill`.
struct Fill {
    out: u64,
    value: i32,
    n: i32,
    pointers: [*mut c_void; 3],
    function: sys::CUfunction,
}

impl Fill {
    fn new(function: sys::CUfunction, out: u64, value: i32) -> Box<Self> {
        let mut it = Box::new(Fill { out, value, n: N as i32, pointers: [ptr::null_mut(); 3], function });
        it.pointers = pointers([&it.out, &it.value, &it.n]);
        it
    }

    fn parameters(&mut self) -> sys::CUDA_KERNEL_NODE_PARAMS {
        sys::CUDA_KERNEL_NODE_PARAMS {
            func: self.function,
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: 32,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            kernelParams: self.pointers.as_mut_ptr(),
            extra: ptr::null_mut(),
            kern: ptr::null_mut(),
            ctx: ptr::null_mut(),
        }
    }
}

fn graph() -> sys::CUgraph {
    get!(cuGraphCreate(_, 0))
}

fn add_fill(graph: sys::CUgraph, before: &[sys::CUgraphNode], fill: &mut Fill) -> sys::CUgraphNode {
    get!(cuGraphAddKernelNode_v2(_, graph, before.as_ptr(), before.len(), &fill.parameters()))
}

fn instantiate(graph: sys::CUgraph) -> sys::CUgraphExec {
    get!(cuGraphInstantiateWithFlags(_, graph, 0))
}

fn launch(exec: sys::CUgraphExec) {
    let stream = stream();
    ok!(cuGraphLaunch(exec, stream));
    ok!(cuStreamSynchronize(stream));
    ok!(cuStreamDestroy_v2(stream));
}

fn fill_function() -> sys::CUfunction {
    kernel(load(PTX).unwrap(), "fill")
}

case!(nodes_run_behind_what_they_depend_on {
    context();
    let (function, x, graph) = (fill_function(), upload(&[0i32; N]), graph());
    let mut fills: Vec<_> = (1..=5).map(|value| Fill::new(function, x, value)).collect();
    let mut before = Vec::new();
    for fill in &mut fills {
        before = vec![add_fill(graph, &before, fill)];
    }
    let empty: sys::CUgraphNode = get!(cuGraphAddEmptyNode(_, graph, before.as_ptr(), 1));
    let mut kind = Kind::CU_GRAPH_NODE_TYPE_KERNEL;
    ok!(cuGraphNodeGetType(empty, &mut kind));
    assert_eq!(kind, Kind::CU_GRAPH_NODE_TYPE_EMPTY);
    launch(instantiate(graph));
    assert_eq!(download::<i32>(x, N), [5; N]);
    // The parameters were taken when the nodes were made.
    drop(fills);
    launch(instantiate(graph));
});

case!(edges_are_asked_for_and_edited {
    context();
    let graph = graph();
    let nodes: [sys::CUgraphNode; 3] = std::array::from_fn(|_| get!(cuGraphAddEmptyNode(_, graph, ptr::null(), 0)));
    let [a, b, c] = nodes;
    ok!(cuGraphAddDependencies(graph, [a, b].as_ptr(), [b, c].as_ptr(), 2));
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph, &a, &b, 1));
    let (mut roots, mut count) = ([ptr::null_mut(); 3], 3);
    ok!(cuGraphGetRootNodes(graph, roots.as_mut_ptr(), &mut count));
    assert_eq!((count, roots), (1, [a, ptr::null_mut(), ptr::null_mut()]));
    let (mut list, mut count) = ([ptr::null_mut(); 2], 2);
    ok!(cuGraphNodeGetDependencies(c, list.as_mut_ptr(), &mut count));
    assert_eq!((count, list[0]), (1, b));
    ok!(cuGraphNodeGetDependentNodes(a, list.as_mut_ptr(), &mut count));
    assert_eq!((count, list[0]), (1, b));
    // A ring has no order to run in.
    ok!(cuGraphAddDependencies(graph, &c, &a, 1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithFlags(&mut ptr::null_mut(), graph, 0));
    ok!(cuGraphRemoveDependencies(graph, &c, &a, 1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphRemoveDependencies(graph, &c, &a, 1));
    ok!(cuGraphDestroyNode(b));
    let mut edges = 9;
    ok!(cuGraphGetEdges(graph, ptr::null_mut(), ptr::null_mut(), &mut edges));
    assert_eq!(edges, 0);
    launch(instantiate(graph));
    ok!(cuGraphDestroy(graph));
    fails!(CUDA_ERROR_INVALID_HANDLE, cuGraphNodeGetType(a, &mut { Kind::CU_GRAPH_NODE_TYPE_EMPTY }));
});

case!(copies_fills_and_functions_of_the_host {
    context();
    unsafe extern "C" fn triple(data: *mut c_void) {
        // SAFETY: the test gives a pointer to a number that lives until the launch is done.
        unsafe { *data.cast::<i32>() *= 3 };
    }
    let (x, y, graph) = (upload(&[0i32; N]), upload(&[0i32; N]), graph());
    let (mut number, mut result) = (14i32, [0i32; N]);
    let fill = sys::CUDA_MEMSET_NODE_PARAMS { dst: x, pitch: 0, value: 8, elementSize: 4, width: N, height: 1 };
    let fill: sys::CUgraphNode = get!(cuGraphAddMemsetNode(_, graph, ptr::null(), 0, &fill, ptr::null_mut()));
    let mut copy = std::mem::MaybeUninit::<sys::CUDA_MEMCPY3D>::zeroed();
    // SAFETY: apart from the kinds of memory, zeros are values of all its fields.
    let mut copy = unsafe {
        (*copy.as_mut_ptr()).srcMemoryType = sys::CUmemorytype::CU_MEMORYTYPE_DEVICE;
        (*copy.as_mut_ptr()).dstMemoryType = sys::CUmemorytype::CU_MEMORYTYPE_DEVICE;
        copy.assume_init()
    };
    (copy.srcDevice, copy.dstDevice) = (x, y);
    (copy.WidthInBytes, copy.Height, copy.Depth) = (N * 4, 1, 1);
    let copied: sys::CUgraphNode = get!(cuGraphAddMemcpyNode(_, graph, &fill, 1, &copy, ptr::null_mut()));
    copy.srcDevice = y;
    copy.dstMemoryType = sys::CUmemorytype::CU_MEMORYTYPE_HOST;
    copy.dstHost = result.as_mut_ptr().cast();
    let back: sys::CUgraphNode = get!(cuGraphAddMemcpyNode(_, graph, &copied, 1, &copy, ptr::null_mut()));
    let call = sys::CUDA_HOST_NODE_PARAMS { fn_: Some(triple), userData: ptr::from_mut(&mut number).cast() };
    let _: sys::CUgraphNode = get!(cuGraphAddHostNode(_, graph, &back, 1, &call));
    let exec = instantiate(graph);
    launch(exec);
    assert_eq!((std::hint::black_box(result), std::hint::black_box(number)), ([8; N], 42));
    let fill_again = sys::CUDA_MEMSET_NODE_PARAMS { dst: x, pitch: 0, value: 9, elementSize: 4, width: N, height: 1 };
    ok!(cuGraphExecMemsetNodeSetParams(exec, fill, &fill_again, ptr::null_mut()));
    launch(exec);
    assert_eq!(std::hint::black_box(result), [9; N]);
});

case!(kernels_of_nodes_are_changed {
    context();
    let (function, x, graph) = (fill_function(), upload(&[0i32; N]), graph());
    let (mut one, mut two, mut three) = (Fill::new(function, x, 1), Fill::new(function, x, 2), Fill::new(function, x, 3));
    let node = add_fill(graph, &[], &mut one);
    let exec = instantiate(graph);
    ok!(cuGraphExecKernelNodeSetParams_v2(exec, node, &two.parameters()));
    launch(exec);
    assert_eq!(download::<i32>(x, N), [2; N]);
    // The graph itself still has its own.
    let shown: sys::CUDA_KERNEL_NODE_PARAMS = {
        let mut shown = one.parameters();
        ok!(cuGraphKernelNodeGetParams_v2(node, &mut shown));
        shown
    };
    // SAFETY: the driver's pointers are good until the node changes.
    assert_eq!(unsafe { *(*shown.kernelParams.add(1)).cast::<i32>() }, 1);
    assert_eq!((shown.func, shown.blockDimX), (function, 32));
    ok!(cuGraphKernelNodeSetParams_v2(node, &three.parameters()));
    let mut result = std::mem::MaybeUninit::<sys::CUgraphExecUpdateResultInfo>::zeroed();
    ok!(cuGraphExecUpdate_v2(exec, graph, result.as_mut_ptr()));
    launch(exec);
    assert_eq!(download::<i32>(x, N), [3; N]);
    add_fill(graph, &[node], &mut one);
    fails!(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, graph, result.as_mut_ptr()));
    // SAFETY: the driver filled it.
    let result = unsafe { result.assume_init() };
    assert_eq!(result.result, sys::CUgraphExecUpdateResult::CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    let mut wide = two.parameters();
    wide.blockDimX = 2000;
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphExecKernelNodeSetParams_v2(exec, node, &wide));
    ok!(cuGraphNodeSetEnabled(exec, node, 0));
    ok!(cuMemsetD32_v2(x, 0, N));
    ok!(cuCtxSynchronize());
    launch(exec);
    assert_eq!(download::<i32>(x, N), [0; N]);
});

case!(graphs_within_graphs_and_clones {
    context();
    let (function, x, outer, inner) = (fill_function(), upload(&[0i32; N]), graph(), graph());
    let (mut one, mut two) = (Fill::new(function, x, 1), Fill::new(function, x, 2));
    let first = add_fill(outer, &[], &mut one);
    let second = add_fill(inner, &[], &mut two);
    let child: sys::CUgraphNode = get!(cuGraphAddChildGraphNode(_, outer, &first, 1, inner));
    // The node has a graph of its own, made of what the inner one was.
    let mut own = ptr::null_mut();
    ok!(cuGraphChildGraphNodeGetGraph(child, &mut own));
    assert_ne!(own, inner);
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(own));
    ok!(cuGraphDestroy(inner));
    let clone: sys::CUgraph = get!(cuGraphClone(_, outer));
    let copy: sys::CUgraphNode = get!(cuGraphNodeFindInClone(_, first, clone));
    assert_ne!(copy, first);
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphNodeFindInClone(&mut ptr::null_mut(), second, clone));
    ok!(cuGraphDestroy(outer));
    launch(instantiate(clone));
    assert_eq!(download::<i32>(x, N), [2; N]);
});

case!(a_graph_is_drawn {
    context();
    let (x, graph) = (upload(&[0i32; N]), graph());
    let node = add_fill(graph, &[], &mut Fill::new(fill_function(), x, 1));
    let _: sys::CUgraphNode = get!(cuGraphAddEmptyNode(_, graph, &node, 1));
    let path = fresh_file("graph.dot");
    let name = CString::new(path.as_str()).unwrap();
    ok!(cuGraphDebugDotPrint(graph, name.as_ptr(), 0));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("fill") && text.contains("->"), "{text}");
});

case!(instantiation_checks_its_flags {
    context();
    let graph = graph();
    let mut exec = ptr::null_mut();
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithFlags(&mut exec, graph, 16));
    fails!(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithFlags(&mut exec, graph, 1 | 4));
    fails!(CUDA_ERROR_INVALID_HANDLE, cuGraphInstantiateWithFlags(&mut exec, ptr::null_mut(), 0));
    ok!(cuGraphInstantiateWithFlags(&mut exec, graph, 1 | 8));
    let mut flags = 0;
    ok!(cuGraphExecGetFlags(exec, &mut flags));
    assert_eq!(flags, 9);
    // It lives without its graph.
    ok!(cuGraphDestroy(graph));
    launch(exec);
    ok!(cuGraphExecDestroy(exec));
    fails!(CUDA_ERROR_INVALID_HANDLE, cuGraphExecDestroy(exec));
});

#[test]
fn graph_launches_are_counted() {
    let path = concat!(module_path!(), "::graph_launches_are_counted");
    if crate::common::in_child() {
        context();
        let (x, graph) = (upload(&[0i32; N]), graph());
        let mut fill = Fill::new(fill_function(), x, 1);
        let first = add_fill(graph, &[], &mut fill);
        add_fill(graph, &[first], &mut fill);
        let exec = instantiate(graph);
        (0..3).for_each(|_| launch(exec));
        return;
    }
    let file = fresh_file("graph_launches.csv");
    crate::common::start(path, &[("COUNTERS", file.clone())]);
    assert_eq!(counter(&file, "driver,,graph_launches"), 3);
    assert_eq!(counter(&file, "driver,,launches"), 6);
    assert_eq!(counter(&file, "driver,,live_graph_execs"), 1);
}
