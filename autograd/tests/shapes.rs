//! Shapes and dtypes by value: what NumPy would give.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_autograd::{Array, DType, Device, Feed, Graph, Session, Tensor, s};

fn value(tensor: &Tensor, feeds: &[(&Tensor, Feed<'_>)]) -> Vec<f64> {
    tensor.eval(feeds).unwrap().to_f64()
}

fn refusal(tensor: &Tensor) -> String {
    tensor.ty().unwrap_err().to_string()
}

#[test]
fn shapes_broadcast_as_in_numpy() {
    // semantics 1.1
    let g = Graph::new();
    let column = g.constant(vec![10.0, 20.0]).reshape([2, 1]);
    let row = g.constant(vec![1.0, 2.0, 3.0]);
    let sum = &column + &row;
    assert_eq!(sum.shape().unwrap(), [2, 3]);
    assert_eq!(value(&sum, &[]), [11.0, 12.0, 13.0, 21.0, 22.0, 23.0]);
    assert_eq!(value(&(&row * g.constant(2.0)), &[]), [2.0, 4.0, 6.0]);
    let error = refusal(&(&row + g.constant(vec![1.0, 2.0])));
    assert!(error.contains("sizes 3 and 2 of axis 1 (counted from the last) do not broadcast"), "{error}");
}

#[test]
fn axes_count_from_either_end() {
    // semantics 1.7
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [Some(2), Some(3)]);
    assert_eq!(x.sum_axes([-1]).shape().unwrap(), [2]);
    assert_eq!(x.sum_axes([0]).shape().unwrap(), [3]);
    let error = refusal(&x.sum_axes([2]));
    assert!(error.contains("there is no axis 2") && error.contains("axes go from -2 to 1"), "{error}");
    assert!(refusal(&x.sum_axes([1, -1])).contains("an axis is named twice"));
}

#[test]
fn slices_and_reshapes_keep_row_major_order() {
    // semantics 1.8
    let g = Graph::new();
    let x = g.constant(Array::from_fn(DType::F64, &[2, 3], |i| i as f64));
    assert_eq!(value(&x.slice(s![.., 1..-1]), &[]), [1.0, 4.0]);
    assert_eq!(value(&x.slice(s![1, ..]), &[]), [3.0, 4.0, 5.0]);
    // semantics 1.9
    assert_eq!(value(&x.t().reshape([-1]), &[]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(x.reshape([3, -1]).shape().unwrap(), [3, 2]);
    assert!(refusal(&x.reshape([4])).contains("6 elements do not make a shape of 4"));
}

#[test]
fn matrix_products_follow_numpy() {
    // semantics 1.10
    let g = Graph::new();
    let m = g.constant(vec![1.0, 2.0, 3.0, 4.0]).reshape([2, 2]);
    let v = g.constant(vec![1.0, 10.0]);
    assert_eq!(value(&m.matmul(&v), &[]), [21.0, 43.0]);
    assert_eq!(value(&v.matmul(&m), &[]), [31.0, 42.0]);
    assert_eq!(value(&v.matmul(&v), &[]), [101.0]);
    let stack = g.constant(Array::from_fn(DType::F64, &[3, 1, 2], |i| i as f64));
    let product = stack.matmul(&m);
    assert_eq!(product.shape().unwrap(), [3, 1, 2]);
    assert_eq!(value(&product, &[]), [3.0, 4.0, 11.0, 16.0, 19.0, 28.0]);
}

#[test]
fn an_open_axis_is_reversed_at_every_size() {
    // semantics 1.5
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None]);
    let flipped = x.flip([0]);
    let slope = (&flipped * &flipped).sum().grad(&[&x]).remove(0);
    let f = g.function(&[&x], &[&flipped, &slope]).compile().unwrap();
    let mut session = Session::new(Device::cpu().threads(1)).unwrap();
    for size in [0, 1, 7] {
        let values: Vec<f64> = (0..size).map(f64::from).collect();
        let out = f.call(&mut session, &[values.clone().into()]).unwrap();
        assert_eq!(out[0].to_f64(), values.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(out[1].to_f64(), values.iter().map(|value| 2.0 * value).collect::<Vec<_>>());
    }
}
