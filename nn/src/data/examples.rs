//! The examples of a set: an array, or bytes from which it is computed.

use super::{Normalization, gather, normalize};
use crate::Error;
use std::alloc::{Layout, handle_alloc_error};
use std::sync::{Arc, OnceLock};
use wengert_kernels::{Array, DType};

/// What each byte means, as the bytes of an `f32`.
type Table = [[u8; 4]; 256];

/// Examples `[n, ...]`. Images that come in bytes stay in bytes, with a table of the `f32` that each byte stands for, one
/// table for each channel or one for all: CIFAR-10 takes a quarter of the memory, and a batch is looked up when it is
/// gathered.
#[derive(Clone)]
pub(super) struct Examples {
    kept: Array,
    tables: Option<Arc<[Table]>>,
    /// All of them as `f32`, for those who ask.
    whole: Arc<OnceLock<Array>>,
}

impl Examples {
    pub(super) fn new(kept: Array) -> Examples {
        Examples { kept, tables: None, whole: Arc::default() }
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.kept.shape()
    }

    /// The dtype in which they are read.
    pub(super) fn dtype(&self) -> DType {
        if self.is_computed() { DType::F32 } else { self.kept.dtype() }
    }

    /// Whether they are computed from bytes when they are read.
    pub(super) fn is_computed(&self) -> bool {
        self.tables.is_some()
    }

    /// Whether all of them were computed.
    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        self.whole.get().is_some()
    }

    /// What is in memory.
    pub(super) fn kept(&self) -> &Array {
        &self.kept
    }

    /// All of them as they are read.
    pub(super) fn array(&self) -> &Array {
        if self.tables.is_none() {
            return &self.kept;
        }
        self.whole.get_or_init(|| match self.read_all() {
            Ok(whole) => whole,
            // As it is for a `Vec`. Those who read batches never come here.
            Err(_) => handle_alloc_error(Layout::array::<f32>(self.kept.len()).unwrap_or(Layout::new::<f32>())),
        })
    }

    fn read_all(&self) -> Result<Array, Error> {
        let mut whole = Array::zeros(self.dtype(), self.shape())?;
        self.decode(self.kept.bytes(), whole.bytes_mut()?);
        Ok(whole)
    }

    /// The rows at `rows`, in that order, kept as these are.
    pub(super) fn select(&self, rows: &[usize]) -> Result<Examples, Error> {
        Ok(Examples { kept: gather::select(&self.kept, rows)?, tables: self.tables.clone(), whole: Arc::default() })
    }

    /// Writes rows as they are read, one after the other, to the front of `target`, which must be long enough.
    pub(super) fn write(&self, rows: &[usize], target: &mut [u8]) -> Result<(), Error> {
        let (count, bytes) = gather::rows_of(&self.kept);
        if self.tables.is_none() {
            return gather::copy_rows(&self.kept, rows, target);
        }
        gather::check(&self.kept, rows, count)?;
        if bytes > 0 {
            for (target, &row) in target.chunks_exact_mut(size_of::<f32>() * bytes).zip(rows) {
                self.decode(&self.kept.bytes()[row * bytes..][..bytes], target);
            }
        }
        Ok(())
    }

    /// Looks up whole pixels.
    fn decode(&self, bytes: &[u8], target: &mut [u8]) {
        let places = target.as_chunks_mut::<4>().0;
        match self.tables.as_deref() {
            None => {}
            Some([table]) => {
                places.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = table[usize::from(byte)]);
            }
            // The sizes that images have in practice, so that the loop over channels is unrolled.
            Some([red, green, blue]) => {
                for (places, bytes) in places.as_chunks_mut::<3>().0.iter_mut().zip(bytes.as_chunks::<3>().0) {
                    *places = [red[usize::from(bytes[0])], green[usize::from(bytes[1])], blue[usize::from(bytes[2])]];
                }
            }
            Some(tables) => {
                for (places, bytes) in places.chunks_exact_mut(tables.len()).zip(bytes.chunks_exact(tables.len())) {
                    for ((place, &byte), table) in places.iter_mut().zip(bytes).zip(tables) {
                        *place = table[usize::from(byte)];
                    }
                }
            }
        }
    }

    /// Whether no byte stands for NaN or infinity, which spares a look at all of them. Of an array nothing is known.
    pub(super) fn is_surely_finite(&self) -> bool {
        let finite = |place: &[u8; 4]| f32::from_ne_bytes(*place).is_finite();
        self.tables.as_ref().is_some_and(|tables| tables.as_flattened().iter().all(finite))
    }

    /// What each byte means in a channel.
    pub(super) fn meaning(&self, channel: usize) -> [f64; 256] {
        let tables = self.tables.as_deref().unwrap_or_default();
        let table = tables.get(channel).or(tables.first());
        std::array::from_fn(|byte| table.map_or(byte as f64, |table| f64::from(f32::from_ne_bytes(table[byte]))))
    }

    /// Each value `v` of each channel in the form `f(channel, v)`, computed in `f64`. Bytes get another table; an array is
    /// computed at once, `f64` staying `f64` and all else becoming `f32`.
    pub(super) fn mapped(&self, channels: usize, f: impl Fn(usize, f64) -> f64) -> Result<Examples, Error> {
        if self.kept.dtype() == DType::U8 {
            let tables = (0..channels.max(self.tables.as_ref().map_or(1, |tables| tables.len())))
                .map(|channel| self.meaning(channel).map(|value| (f(channel % channels, value) as f32).to_ne_bytes()))
                .collect();
            return Ok(Examples { kept: self.kept.clone(), tables: Some(tables), whole: Arc::default() });
        }
        let values = self.kept.to_f64().into_iter().enumerate().map(|(i, value)| f(i % channels, value));
        Ok(Examples::new(match self.kept.dtype() {
            DType::F64 => Array::new(self.shape(), &values.collect::<Vec<f64>>())?,
            _ => Array::new(self.shape(), &values.map(|value| value as f32).collect::<Vec<f32>>())?,
        }))
    }

    pub(super) fn normalized(&self, by: &Normalization) -> Result<Examples, Error> {
        let channels = normalize::channels(self.shape());
        if by.mean().len() != 1 && by.mean().len() != channels {
            return Err(Error::shape(format!(
                "a normalization of {} channels does not fit examples of shape {:?}, which have {channels}",
                by.mean().len(),
                self.shape().get(1..).unwrap_or_default()
            )));
        }
        self.mapped(by.mean().len(), |channel, value| (value - by.mean()[channel]) / by.std()[channel])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(shape: &[usize]) -> Examples {
        Examples::new(Array::from_fn(DType::U8, shape, |i| ((i * 37 + i / 11) % 256) as f64).unwrap())
    }

    #[test]
    fn bytes_and_arrays_are_mapped_alike() {
        // semantics 10.2
        for channels in 1..5 {
            let kept = bytes(&[30, 7, 5, channels]);
            let plain = Examples::new(kept.array().cast(DType::F32).unwrap());
            let f = |channel: usize, value: f64| (value - 0.3 * channel as f64) / (7.0 + channel as f64);
            let (one, all) = (|e: &Examples| e.mapped(1, f).unwrap(), |e: &Examples| e.mapped(channels, f).unwrap());
            for (a, b) in [
                (one(&kept), one(&plain)),
                (all(&kept), all(&plain)),
                (one(&all(&kept)), one(&all(&plain))),
                (all(&one(&kept)), all(&one(&plain))),
            ] {
                assert!(a.is_computed() && !b.is_computed());
                assert_eq!(a.array(), b.array());
                let mut rows = vec![0; 3 * 35 * channels * 4];
                a.write(&[29, 0, 29], &mut rows).unwrap();
                assert_eq!(rows, gather::select(b.array(), &[29, 0, 29]).unwrap().bytes());
                assert_eq!(a.select(&[4, 2]).unwrap().array(), b.select(&[4, 2]).unwrap().array());
            }
        }
    }

    #[test]
    fn a_row_that_is_not_there_and_rows_of_nothing() {
        let kept = bytes(&[3, 4]).mapped(1, |_, value| value).unwrap();
        assert!(kept.write(&[3], &mut [0; 16]).unwrap_err().is_invalid());
        let empty = Examples::new(Array::zeros(DType::U8, &[3, 0]).unwrap()).mapped(1, |_, value| value).unwrap();
        empty.write(&[2], &mut []).unwrap();
        assert_eq!(empty.array().shape(), [3, 0]);
    }

    #[test]
    fn finite_is_what_every_byte_stands_for() {
        let kept = bytes(&[3, 4]);
        assert!(!kept.is_surely_finite() && kept.mapped(1, |_, value| value).unwrap().is_surely_finite());
        assert!(!kept.mapped(1, |_, value| value / 1e-300).unwrap().is_surely_finite());
    }
}
