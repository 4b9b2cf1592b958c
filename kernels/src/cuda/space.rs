//! Iteration spaces: the axes of a step's operands, as few as will do.

/// Sizes of the axes, and the strides of each operand along them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) sizes: Vec<usize>,
    /// For each operand, a stride for each axis.
    pub(crate) strides: Vec<Vec<isize>>,
}

impl Space {
    /// The space of these sizes, unit axes dropped, and neighbouring axes merged where every operand's strides allow it. At
    /// least one axis is left.
    pub(crate) fn merged(shape: &[usize], operands: &[&[isize]]) -> Space {
        let mut space = Space { sizes: Vec::new(), strides: vec![Vec::new(); operands.len()] };
        for (axis, &size) in shape.iter().enumerate().filter(|&(_, &size)| size != 1) {
            let continues = space.sizes.last().is_some()
                && operands
                    .iter()
                    .zip(&space.strides)
                    .all(|(operand, merged)| merged.last() == Some(&operand[axis].wrapping_mul(size as isize)));
            if continues {
                if let Some(last) = space.sizes.last_mut() {
                    *last *= size;
                }
                for (operand, merged) in operands.iter().zip(&mut space.strides) {
                    merged.last_mut().into_iter().for_each(|last| *last = operand[axis]);
                }
            } else {
                space.sizes.push(size);
                space.strides.iter_mut().zip(operands).for_each(|(merged, operand)| merged.push(operand[axis]));
            }
        }
        if space.sizes.is_empty() {
            space.extend(1);
        }
        space
    }

    /// The same space with so many axes: the outermost have size 1.
    pub(crate) fn extend(&mut self, rank: usize) {
        let more = rank.saturating_sub(self.sizes.len());
        self.sizes.splice(0..0, std::iter::repeat_n(1, more));
        for strides in &mut self.strides {
            strides.splice(0..0, std::iter::repeat_n(0, more));
        }
    }

    /// How many indices there are.
    pub(crate) fn len(&self) -> usize {
        self.sizes.iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_merge_where_all_operands_agree() {
        let contiguous: &[isize] = &[15, 5, 1];
        let whole = Space::merged(&[2, 3, 5], &[contiguous, contiguous]);
        assert_eq!(whole, Space { sizes: vec![30], strides: vec![vec![1], vec![1]] });
        let row = Space::merged(&[2, 3, 5], &[contiguous, &[0, 0, 1]]);
        assert_eq!(row, Space { sizes: vec![6, 5], strides: vec![vec![5, 1], vec![0, 1]] });
        let uniform = Space::merged(&[2, 3], &[&[3, 1], &[0, 0]]);
        assert_eq!(uniform, Space { sizes: vec![6], strides: vec![vec![1], vec![0]] });
        assert_eq!(Space::merged(&[1, 1], &[&[7, 9]]), Space { sizes: vec![1], strides: vec![vec![0]] });
        assert_eq!(Space::merged(&[2, 0, 3], &[&[3, 3, 1]]).len(), 0);
    }
}
