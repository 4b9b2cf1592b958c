//! Calls whose sizes were seen before allocate nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use wengert_autograd::{Array, DType, Device, Graph, Session};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc`, and so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn calls_allocate_nothing_once_their_sizes_were_seen() {
    // semantics 5.8
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(8)]);
    let w = g.variable("w", Array::from_fn(DType::F32, &[8, 4], |i| (i as f64 * 0.7).sin()));
    let loss = x.matmul(&w).relu().dropout(0.2, true).square().mean();
    let slope = loss.grad(&[&w]).remove(0);
    let f = g.function(&[&x], &[&loss]).update(&w, &(&w - slope * 0.1)).compile().unwrap();
    let mut session = Session::new(Device::cpu().threads(2)).unwrap();
    let feed = |shape: &[usize]| Array::from_fn(DType::F32, shape, |i| (i as f64 * 0.3).cos()).unwrap();
    let (large, small, steps) = (feed(&[300, 8]), feed(&[17, 8]), feed(&[5, 300, 8]));
    let mut out = [Array::zeros(DType::F32, &[]).unwrap()];
    let mut round = || {
        for _ in 0..10 {
            f.call_into(&mut session, &[large.view()], &mut out).unwrap();
            f.call_into(&mut session, &[small.view()], &mut out).unwrap();
        }
        f.call_n(&mut session, 5, &[steps.view()], &mut out).unwrap();
    };
    round();
    let before = COUNT.load(Ordering::Relaxed);
    round();
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0);
}
