//! Arrays that stay where a device computes.

use crate::{Array, Memory};

/// An array in the memory of a device: the values of variables and constants between runs.
///
/// [`Executor::upload`](crate::Executor::upload) makes one, [`Executor::download`](crate::Executor::download) reads it,
/// [`Memory::Keep`] and [`Memory::Update`] lend it to a run. On the CPU it is the array itself, and nothing is copied.
#[derive(Clone, Debug)]
pub struct Resident(Place);

#[derive(Clone, Debug)]
enum Place {
    Host(Array),
    #[cfg(feature = "cuda")]
    Cuda(crate::cuda::Value),
}

impl Resident {
    /// An array in the host's memory.
    pub(crate) fn host(array: Array) -> Resident {
        Resident(Place::Host(array))
    }

    /// The array, if it is in the host's memory.
    pub(crate) fn as_host(&self) -> Option<&Array> {
        match &self.0 {
            Place::Host(array) => Some(array),
            #[cfg(feature = "cuda")]
            Place::Cuda(_) => None,
        }
    }

    fn as_host_mut(&mut self) -> Option<&mut Array> {
        match &mut self.0 {
            Place::Host(array) => Some(array),
            #[cfg(feature = "cuda")]
            Place::Cuda(_) => None,
        }
    }
}

#[cfg(feature = "cuda")]
impl Resident {
    /// An array in the memory of a CUDA device.
    pub(crate) fn cuda(value: crate::cuda::Value) -> Resident {
        Resident(Place::Cuda(value))
    }

    /// The array, if it is in the memory of a CUDA device.
    pub(crate) fn as_cuda(&self) -> Option<&crate::cuda::Value> {
        match &self.0 {
            Place::Cuda(value) => Some(value),
            Place::Host(_) => None,
        }
    }

    /// As [`as_cuda`](Resident::as_cuda).
    pub(crate) fn as_cuda_mut(&mut self) -> Option<&mut crate::cuda::Value> {
        match &mut self.0 {
            Place::Cuda(value) => Some(value),
            Place::Host(_) => None,
        }
    }
}

/// Memory of a run as bytes of the host.
#[derive(Debug)]
pub(crate) enum Bytes<'a> {
    /// Read by every step.
    Read(&'a [u8]),
    /// Read and written.
    Write(&'a mut [u8]),
    /// One array for each step.
    PerStep(&'a [u8]),
}

impl<'a> Memory<'a> {
    /// The same memory as bytes of the host. What lies elsewhere, or cannot be made writable, is no bytes, which a run refuses.
    pub(crate) fn on_host(self) -> Bytes<'a> {
        match self {
            Memory::Read(bytes) => Bytes::Read(bytes),
            Memory::Write(bytes) => Bytes::Write(bytes),
            Memory::PerStep(bytes) => Bytes::PerStep(bytes),
            Memory::Keep(resident) => Bytes::Read(resident.as_host().map_or(&[], Array::bytes)),
            Memory::Update(resident) => {
                let bytes = resident.as_host_mut().and_then(|array| array.bytes_mut().ok());
                Bytes::Write(bytes.unwrap_or_default())
            }
        }
    }
}
