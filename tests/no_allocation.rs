//! What runs for every batch allocates nothing. The counter counts the whole process, and so also the test
//! harness when a test begins or ends: therefore this is one test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use wengert::optimizers::Optimizer;
use wengert::prelude::*;
use wengert::training::{Callback, Report};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    COUNT.load(Ordering::Relaxed)
}

fn model() -> Sequential {
    let mut model = Sequential::new()
        .device(Device::cpu().threads(2))
        .add(Flatten)
        .add(Dense::new(256).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(10).activation(Softmax));
    model.compile(Adam::default(), CategoricalCrossentropy, [Accuracy]).unwrap();
    model
}

#[test]
fn steps_allocate_nothing() {
    a_call_into_arrays_that_are_there_allocates_nothing();
    the_steps_of_fit_allocate_nothing();
    the_allocations_of_an_epoch_do_not_grow_with_its_steps();
}

fn a_call_into_arrays_that_are_there_allocates_nothing() {
    // semantics 5.8
    let g = Graph::new();
    let x = g.placeholder("x", F32, [None, Some(64)]);
    let t = g.placeholder("t", I64, [None]);
    let hidden = Dense::new(512).activation(Relu).apply(&x, Mode::Train).dropout(0.2, true);
    let logits = Dense::new(10).apply(&hidden, Mode::Train);
    let loss = CategoricalCrossentropy.from_logits().mean(&logits.into(), &t);
    let step = g.function(&[&x, &t], &[&loss]).updates(&Adam::default().minimize(&loss)).compile().unwrap();
    let mut session = Session::new(Device::cpu().threads(2)).unwrap();
    let mut out = [Array::zeros(F32, &[]).unwrap()];
    // Two sizes in turn, as at the end of an epoch.
    let data = [128, 57].map(|rows| {
        let images = Array::from_fn(F32, &[rows, 64], |i| (i % 17) as f64 / 16.0).unwrap();
        (images, Array::from_fn(I64, &[rows], |i| (i % 10) as f64).unwrap())
    });
    let mut call = || {
        for (images, labels) in &data {
            step.call_into(&mut session, &[images.view(), labels.view()], &mut out).unwrap();
        }
    };
    (0..3).for_each(|_| call());
    let before = allocations();
    (0..20).for_each(|_| call());
    assert_eq!(allocations() - before, 0);
}

/// Notes the number of allocations after each batch, in room that it took before.
struct Notes(Arc<Mutex<Vec<usize>>>);

impl Callback for Notes {
    fn batch_end(&mut self, _: &Report<'_>) {
        self.0.lock().unwrap().push(allocations());
    }
}

fn the_steps_of_fit_allocate_nothing() {
    // Batches are gathered by the caller, or changed at random on a thread of their own.
    for augmentation in [None, Some(data::Augmentation::new().flip_horizontal().crop(1).cutout(2))] {
        let (train, test) = data::digits().unwrap();
        let notes = Arc::new(Mutex::new(Vec::with_capacity(1000)));
        let fit = Fit::epochs(3).batch_size(50).validation(&test).verbose(0).callback(Notes(notes.clone()));
        let fit = match augmentation {
            Some(augmentation) => fit.augment(augmentation),
            None => fit,
        };
        model().fit(&train, fit).unwrap();
        let notes = notes.lock().unwrap();
        let third = &notes[2 * notes.len() / 3..];
        assert_eq!(third.len(), 27);
        assert_eq!(third[26] - third[0], 0, "{third:?}");
    }
}

fn the_allocations_of_an_epoch_do_not_grow_with_its_steps() {
    let (train, _) = data::digits().unwrap();
    // Batches of 10: three epochs more, of 10 steps and of 100.
    let more = [100, 1000].map(|rows| {
        let data = train.take(rows).unwrap();
        let fit = |epochs| {
            let mut model = model();
            let before = allocations();
            model.fit(&data, Fit::epochs(epochs).batch_size(10).verbose(0)).unwrap();
            allocations() - before
        };
        fit(1);
        let short = fit(5);
        fit(8) - short
    });
    assert_eq!(more[0], more[1]);
}
