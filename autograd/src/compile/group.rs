//! Which ops become one kernel.
//!
//! One walk from the last node to the first: by the time a node is reached, all its consumers have their kernels. An
//! elementwise node joins the kernel of its consumers if they all belong to one, or the others come later; a product or a reduction takes the map of
//! all its consumers as its epilogue; a map that only a reduction reads becomes its prologue. Cheap nodes over leaves
//! (a one-hot, a mask) and scalars are computed again by whoever needs them. None of this can make a cycle: what joins a
//! kernel is read by nothing else.

use super::{Ir, IrNode, Policy};
use crate::op::{Lower, View};
use crate::{DType, Dim, TensorType};
use wengert_kernels::{ConvPass, Literal, Unary};

/// More instructions than this make a kernel's registers spill and its compile time grow.
const LARGEST: usize = 64;

/// Nodes that may be computed again in each kernel that needs them, counted over their inlined operands.
const LARGEST_INLINE: usize = 12;

/// As [`LARGEST_INLINE`], for scalars, which cost next to nothing.
const LARGEST_INLINE_SCALAR: usize = 24;

pub(super) struct Grouping<'a> {
    pub(super) ir: &'a Ir,
    policy: Policy,
    pub(super) lower: Vec<Lower>,
    consumers: Vec<Vec<usize>>,
    pub(super) is_end: Vec<bool>,
    /// The one value of constants that have one.
    pub(super) splat: Vec<Option<Literal>>,
    /// Size of the expression that a reader would compute again; `None` where a node is not to be computed again.
    inline: Vec<Option<usize>>,
    /// Nodes whose values must be in memory.
    pub(super) needed: Vec<bool>,
    /// Nodes read by kernels that compute one of their consumers again.
    elsewhere: Vec<bool>,
    /// Views that are copied, since a reshape of them is no view.
    pub(super) copied: Vec<bool>,
    pub(super) group_of: Vec<Option<usize>>,
    pub(super) groups: Vec<Group>,
    pub(super) prologue_of: Vec<Option<Prologue>>,
    /// Products and reductions that became part of the kernel of their epilogue.
    pub(super) is_absorbed: Vec<bool>,
}

/// An elementwise kernel in the making.
pub(super) struct Group {
    pub(super) root: usize,
    size: usize,
    /// The product or reduction whose epilogue it is.
    pub(super) absorbed: Option<usize>,
    pub(super) is_prologue: bool,
}

/// What a reduction computes of each element first.
#[derive(Clone, Copy)]
pub(super) enum Prologue {
    Group(usize),
    /// An expression over leaves.
    Inline(usize),
}

/// How a kernel gets an operand.
pub(super) enum Operand {
    Const(Literal),
    /// Computed in the kernel.
    Computed,
    /// Read from memory.
    Read,
}

/// Whether the kernel that an op becomes can compute a map of its result before it is stored.
fn can_have_epilogue(lower: &Lower) -> bool {
    matches!(lower, Lower::MatMul | Lower::Reduce(..) | Lower::Conv { .. } | Lower::Pool { .. })
}

impl<'a> Grouping<'a> {
    pub(super) fn new(ir: &'a Ir, policy: Policy) -> Grouping<'a> {
        let count = ir.nodes.len();
        let mut consumers = vec![Vec::new(); count];
        for (n, node) in ir.nodes.iter().enumerate() {
            for &input in &node.inputs {
                if consumers[input].last() != Some(&n) {
                    consumers[input].push(n);
                }
            }
        }
        let mut is_end = vec![false; count];
        for &end in ir.outputs.iter().chain(ir.updates.iter().map(|(_, value)| value)) {
            is_end[end] = true;
        }
        let mut grouping = Grouping {
            ir,
            policy,
            lower: ir.nodes.iter().map(IrNode::lower).collect(),
            consumers,
            is_end,
            splat: vec![None; count],
            inline: vec![None; count],
            needed: vec![false; count],
            elsewhere: vec![false; count],
            copied: vec![false; count],
            group_of: vec![None; count],
            groups: Vec::new(),
            prologue_of: vec![None; count],
            is_absorbed: vec![false; count],
        };
        for n in 0..count {
            grouping.splat[n] = grouping.splat_of(n);
            grouping.inline[n] = grouping.inline_size(n);
        }
        grouping.walk();
        grouping
    }

    pub(super) fn node(&self, n: usize) -> &'a IrNode {
        &self.ir.nodes[n]
    }

    pub(super) fn ty(&self, n: usize) -> &'a TensorType {
        &self.ir.nodes[n].ty
    }

    fn same_shape(&self, a: &[Dim], b: &[Dim]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.ir.dims.equal(a, b))
    }

    pub(super) fn is_scalar(&self, n: usize) -> bool {
        self.ty(n).shape.iter().all(|dim| *dim == 1)
    }

    fn is_elementwise(&self, n: usize) -> bool {
        matches!(self.lower[n], Lower::Unary(_) | Lower::Binary(_) | Lower::Select | Lower::Cast | Lower::Index(_))
    }

    fn splat_of(&self, n: usize) -> Option<Literal> {
        match &self.lower[n] {
            Lower::Constant(array) if array.len() == 1 => {
                let value = array.to_f64()[0];
                match array.dtype() {
                    DType::I64 => array.as_slice::<i64>().ok().map(|values| Literal::int(DType::I64, values[0])),
                    dtype => Some(Literal::new(dtype, value)),
                }
            }
            Lower::View(View::Broadcast | View::Reshape) => self.splat[self.node(n).inputs[0]],
            _ => None,
        }
    }

    fn inline_size(&self, n: usize) -> Option<usize> {
        if !self.policy.fuse || !self.is_elementwise(n) {
            return None;
        }
        let scalar = self.is_scalar(n);
        let cheap = !matches!(
            self.lower[n],
            Lower::Unary(
                Unary::Exp
                    | Unary::Expm1
                    | Unary::Log
                    | Unary::Log1p
                    | Unary::Sin
                    | Unary::Cos
                    | Unary::Tanh
                    | Unary::Sigmoid
                    | Unary::Softplus
                    | Unary::Erf
            ) | Lower::Binary(wengert_kernels::Binary::Pow)
        );
        if !scalar && !cheap {
            return None;
        }
        let mut size = 1;
        for &input in &self.node(n).inputs {
            let base = self.strip_repeats(input);
            let (leaf, direct) = self.strip(input);
            size += match self.inline[base] {
                Some(inner) => inner,
                _ if self.splat[input].is_some() => 0,
                _ if scalar || self.is_scalar(base) => 1,
                _ if self.node(leaf).leaf.is_some() && direct => 1,
                _ if matches!(self.lower[leaf], Lower::Constant(_) | Lower::Size(_)) => 1,
                _ => return None,
            };
        }
        (size <= if scalar { LARGEST_INLINE_SCALAR } else { LARGEST_INLINE }).then_some(size)
    }

    /// The value under a chain of views, and whether the chain needs no copy.
    fn strip(&self, mut n: usize) -> (usize, bool) {
        let mut direct = true;
        while matches!(self.lower[n], Lower::View(_)) {
            direct = direct && !self.breaks_chain(n);
            n = self.node(n).inputs[0];
        }
        (n, direct)
    }

    /// Whether a node is a reshape of something that does not lie in row-major order.
    fn breaks_chain(&self, n: usize) -> bool {
        let input = self.node(n).inputs[0];
        let unit_axes_only = || {
            let strip = |shape: &[Dim]| shape.iter().filter(|dim| **dim != 1).cloned().collect::<Vec<_>>();
            self.same_shape(&strip(&self.ty(n).shape), &strip(&self.ty(input).shape))
        };
        matches!(self.lower[n], Lower::View(View::Reshape)) && !self.lies_in_order(input) && !unit_axes_only()
    }

    fn lies_in_order(&self, n: usize) -> bool {
        match &self.lower[n] {
            Lower::View(View::Reshape) => true,
            Lower::View(_) => false,
            _ => true,
        }
    }

    fn walk(&mut self) {
        for n in (0..self.ir.nodes.len()).rev() {
            if self.is_end[n] {
                self.need(n);
            }
            if !self.needed[n] && self.group_of[n].is_none() {
                continue;
            }
            if self.is_elementwise(n) {
                let group = match self.group_of[n] {
                    Some(group) => group,
                    None => self.new_group(n, false),
                };
                for &input in &self.node(n).inputs {
                    self.pull(input, group);
                }
            } else if !matches!(self.lower[n], Lower::View(_)) {
                self.absorb_consumers(n);
                self.take_inputs(n);
            }
        }
    }

    fn new_group(&mut self, root: usize, is_prologue: bool) -> usize {
        let group = self.groups.len();
        self.groups.push(Group { root, size: 1, absorbed: None, is_prologue });
        self.group_of[root] = Some(group);
        group
    }

    /// Marks what must be in memory for a node to be read.
    fn need(&mut self, mut n: usize) {
        while matches!(self.lower[n], Lower::View(_)) {
            let input = self.node(n).inputs[0];
            if self.breaks_chain(n) {
                self.copied[input] = true;
            }
            n = input;
        }
        self.needed[n] = true;
    }

    pub(super) fn operand(&self, n: usize, group: Option<usize>) -> Operand {
        if let Some(literal) = self.splat[n] {
            return Operand::Const(literal);
        }
        if group.is_some() && self.group_of[n] == group {
            return Operand::Computed;
        }
        // Broadcasts compose, so what is cheap may be computed in a larger space than its own.
        if self.inline[self.strip_repeats(n)].is_some() { Operand::Computed } else { Operand::Read }
    }

    /// The value that every element of a node is or repeats: under broadcasts, and for a single element under any view but
    /// a slice, which may be empty.
    pub(super) fn strip_repeats(&self, n: usize) -> usize {
        let base_under = |keep: fn(&View) -> bool| {
            let mut n = n;
            while let Lower::View(view) = &self.lower[n]
                && keep(view)
            {
                n = self.node(n).inputs[0];
            }
            n
        };
        let single = base_under(|view| !matches!(view, View::Slice(_)));
        if self.is_scalar(single) { single } else { base_under(|view| matches!(view, View::Broadcast)) }
    }

    /// Brings an operand of a group's member into the group, or marks it as read.
    fn pull(&mut self, n: usize, group: usize) {
        let root = self.groups[group].root;
        let space = &self.ty(root).shape;
        // A prologue has one result, which the reduction takes: what others read, or a call returns, cannot leave it. From
        // other groups it can, if whoever reads it comes after the group's last member.
        let is_prologue = self.groups[group].is_prologue;
        let waits = |consumer: usize| consumer > root && !is_prologue;
        let joins = self.policy.fuse
            && !(is_prologue && self.is_end[n])
            && !self.elsewhere[n]
            && self.is_elementwise(n)
            && self.group_of[n].is_none()
            && self.groups[group].size < LARGEST
            && self.same_shape(&self.ty(n).shape, space)
            && self.consumers[n].iter().all(|&consumer| self.group_of[consumer] == Some(group) || waits(consumer));
        if joins {
            self.group_of[n] = Some(group);
            self.groups[group].size += 1 + self.node(n).inputs.len();
        } else {
            self.need_operand(n, Some(group));
        }
    }

    /// Whether a group's member is returned, or read by other kernels.
    pub(super) fn leaves(&self, n: usize) -> bool {
        let read = || self.consumers[n].iter().any(|&consumer| self.group_of[consumer] != self.group_of[n]);
        self.is_end[n] || (self.needed[n] && read())
    }

    fn need_operand(&mut self, n: usize, group: Option<usize>) {
        match self.operand(n, group) {
            Operand::Const(_) => (),
            Operand::Computed if group.is_some() && self.group_of[n] == group => (),
            Operand::Computed => {
                for &input in &self.node(self.strip_repeats(n)).inputs {
                    self.need_operand(input, None);
                }
            }
            Operand::Read => {
                let n = self.strip_scalar_views(n);
                self.elsewhere[n] |= group.is_none();
                self.need(n);
            }
        }
    }

    /// A single element is read where it lies, whatever views it is seen through.
    pub(super) fn strip_scalar_views(&self, n: usize) -> usize {
        let base = self.strip_repeats(n);
        if self.is_scalar(base) { base } else { n }
    }

    /// Makes the map of all consumers of a product or reduction its epilogue.
    fn absorb_consumers(&mut self, n: usize) {
        let free = !self.is_end[n] && !self.elsewhere[n];
        let fusable = self.policy.fuse && can_have_epilogue(&self.lower[n]) && free;
        let Some(&first) = self.consumers[n].first() else { return };
        let Some(group) = self.group_of[first] else { return };
        let target = &self.groups[group];
        let fits = fusable
            && target.absorbed.is_none()
            && !target.is_prologue
            && !self.sums_columns_of_a_product(n)
            && self.same_shape(&self.ty(n).shape, &self.ty(target.root).shape)
            && self.consumers[n].iter().all(|&consumer| self.group_of[consumer] == Some(group));
        if fits {
            self.groups[group].absorbed = Some(n);
            self.is_absorbed[n] = true;
        }
    }

    /// Whether a reduction will become a product's second result, see `Fused::sum_columns`.
    fn sums_columns_of_a_product(&self, n: usize) -> bool {
        let Lower::Reduce(wengert_kernels::ReduceOp::Sum, axes) = &self.lower[n] else { return false };
        let operand = self.node(n).inputs[0];
        let product = |&consumer: &usize| {
            let sums: &[usize] = match &self.lower[consumer] {
                Lower::MatMul if self.ty(operand).rank() == 2 => &[0],
                Lower::Conv { pass: ConvPass::WeightGradient, .. } => &[0, 1, 2],
                _ => return false,
            };
            axes == sums && self.node(consumer).inputs[1] == operand
        };
        self.consumers[operand].iter().any(product)
    }

    /// Marks the operands of a kernel that is not a map.
    fn take_inputs(&mut self, n: usize) {
        let node = self.node(n);
        if let (Lower::Reduce(..), true) = (&self.lower[n], self.policy.fuse) {
            let input = node.inputs[0];
            let only_reader = self.consumers[input] == [n] && !self.is_end[input];
            if self.inline[input].is_some() {
                self.prologue_of[n] = Some(Prologue::Inline(input));
                for &operand in &self.node(input).inputs {
                    self.need_operand(operand, None);
                }
                return;
            }
            if only_reader && self.is_elementwise(input) {
                let group = self.new_group(input, true);
                self.prologue_of[n] = Some(Prologue::Group(group));
                return;
            }
        }
        for &input in &node.inputs {
            // A user's kernel reads rows one after the other, not views.
            if matches!((&self.lower[n], &self.lower[input]), (Lower::Custom(_), Lower::View(_))) {
                self.copied[input] = true;
            }
            self.need(input);
        }
    }
}
