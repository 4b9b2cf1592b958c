//! Elements as bytes, and bytes as elements.

use bytemuck::{CheckedBitPattern, NoUninit};
use half::{bf16, f16};

/// Types whose values are their bytes.
///
/// # Safety
/// The type has the size, the alignment and the values of `Bits`, bit for bit, and no padding.
pub unsafe trait Plain: Copy + 'static {
    /// What `bytemuck` knows of these bytes. (Its own knowledge of the 16-bit floats costs every build a macro crate, and the
    /// start of this crate 3 seconds.)
    type Bits: CheckedBitPattern + NoUninit;
}

macro_rules! plain {
    ($($ty:ty: $bits:ty),*) => {$(
        // SAFETY: the type itself, or one that is declared as a transparent struct of its bits, of which all are values.
        unsafe impl Plain for $ty {
            type Bits = $bits;
        }
        const _: () = assert!(size_of::<$ty>() == size_of::<$bits>() && align_of::<$ty>() == align_of::<$bits>());
    )*};
}

plain!(bool: bool, u8: u8, i32: i32, i64: i64, f16: u16, bf16: u16, f32: f32, f64: f64);

/// The bytes of elements.
pub(crate) fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `Plain`'s contract: as many elements of the same size and alignment, each of which is a value of `Bits`.
    let bits = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<T::Bits>(), values.len()) };
    bytemuck::cast_slice(bits)
}

/// The elements that these bytes are, if they are so many whole ones in the right place, and all are values.
pub(crate) fn elements<T: Plain>(bytes: &[u8]) -> Result<&[T], bytemuck::checked::CheckedCastError> {
    let bits: &[T::Bits] = bytemuck::checked::try_cast_slice(bytes)?;
    // SAFETY: `Plain`'s contract: as many elements of the same size and alignment, each of which is a value of `T`.
    Ok(unsafe { std::slice::from_raw_parts(bits.as_ptr().cast::<T>(), bits.len()) })
}

/// As [`elements`], to write.
pub(crate) fn elements_mut<T: Plain>(bytes: &mut [u8]) -> Result<&mut [T], bytemuck::checked::CheckedCastError> {
    let bits: &mut [T::Bits] = bytemuck::checked::try_cast_slice_mut(bytes)?;
    // SAFETY: `Plain`'s contract: as many elements of the same size and alignment, each of which is a value of `T`, and every
    // value of `T` one of `Bits`.
    Ok(unsafe { std::slice::from_raw_parts_mut(bits.as_mut_ptr().cast::<T>(), bits.len()) })
}

/// The element that these bytes are, wherever they lie.
pub(crate) fn element<T: Plain>(bytes: &[u8]) -> Option<T> {
    let bits: T::Bits = bytemuck::checked::try_pod_read_unaligned(bytes).ok()?;
    // SAFETY: `Plain`'s contract: a value of `Bits` is one of `T`, of the same size.
    Some(unsafe { std::mem::transmute_copy::<T::Bits, T>(&bits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_from_their_bytes() {
        let halves = [f16::from_f32(1.5), f16::NEG_INFINITY];
        assert_eq!(elements::<f16>(bytes_of(&halves)).unwrap(), halves);
        assert_eq!(element::<bf16>(&bytes_of(&[bf16::from_f32(-2.0)])[..2]), Some(bf16::from_f32(-2.0)));
        assert_eq!(bytes_of(&[1.0f32]), 1.0f32.to_ne_bytes());
    }

    #[test]
    fn what_is_no_element_is_refused() {
        assert!(elements::<bool>(&[0, 1, 2]).is_err() && element::<bool>(&[2]).is_none());
        assert!(elements::<i32>(&[0; 7]).is_err() && element::<i64>(&[0; 7]).is_none());
    }
}
