//! Which ops become one kernel.
//!
//! One walk from the last node to the first: by the time a node is reached, all its consumers have their kernels. An
//! elementwise node joins the kernel of its consumers if they all belong to one; a product or a reduction takes the map of
//! all its consumers as its epilogue; a map that only a reduction reads becomes its prologue. Cheap nodes over leaves
//! (a one-hot, a mask) and scalars are computed again by whoever needs them. None of this can make a cycle: what joins a
//! kernel is read by nothing else.

use super::fuse::{Access, Fused, FusedKernel, Kind, Source, Value};
use super::{Ir, IrNode, Leaf, Policy};
use crate::op::{Lower, View};
use crate::{DType, Dim, Error, TensorType};
use std::collections::{HashMap, HashSet};
use wengert_kernels::{Expr, Literal, Scalar, Unary};

/// More instructions than this make a kernel's registers spill and its compile time grow.
const LARGEST: usize = 64;

/// Nodes that may be computed again in each kernel that needs them, counted over their inlined operands.
const LARGEST_INLINE: usize = 8;

/// As [`LARGEST_INLINE`], for scalars, which cost next to nothing.
const LARGEST_INLINE_SCALAR: usize = 24;

pub(super) struct Grouping<'a> {
    ir: &'a Ir,
    policy: Policy,
    lower: Vec<Lower>,
    consumers: Vec<Vec<usize>>,
    is_end: Vec<bool>,
    /// The one value of constants that have one.
    splat: Vec<Option<Literal>>,
    /// Size of the expression that a reader would compute again; `None` where a node is not to be computed again.
    inline: Vec<Option<usize>>,
    /// Nodes whose values must be in memory.
    needed: Vec<bool>,
    /// Views that are copied, since a reshape of them is no view.
    copied: Vec<bool>,
    group_of: Vec<Option<usize>>,
    groups: Vec<Group>,
    prologue_of: HashMap<usize, Prologue>,
    /// Products and reductions that became part of the kernel of their epilogue.
    absorbed: HashSet<usize>,
}

/// An elementwise kernel in the making.
struct Group {
    root: usize,
    size: usize,
    /// The product or reduction whose epilogue it is.
    absorbed: Option<usize>,
    is_prologue: bool,
}

/// What a reduction computes of each element first.
#[derive(Clone, Copy)]
enum Prologue {
    Group(usize),
    /// An expression over leaves.
    Inline(usize),
}

/// How a kernel gets an operand.
enum Operand {
    Const(Literal),
    /// Computed in the kernel.
    Computed,
    /// Read from memory.
    Read,
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
            copied: vec![false; count],
            group_of: vec![None; count],
            groups: Vec::new(),
            prologue_of: HashMap::new(),
            absorbed: HashSet::new(),
        };
        for n in 0..count {
            grouping.splat[n] = grouping.splat_of(n);
            grouping.inline[n] = grouping.inline_size(n);
        }
        grouping.walk();
        grouping
    }

    fn node(&self, n: usize) -> &'a IrNode {
        &self.ir.nodes[n]
    }

    fn ty(&self, n: usize) -> &'a TensorType {
        &self.ir.nodes[n].ty
    }

    fn same_shape(&self, a: &[Dim], b: &[Dim]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.ir.dims.equal(a, b))
    }

    fn is_scalar(&self, n: usize) -> bool {
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
        // An output is in memory anyway; computed again elsewhere, it would need what its own kernel absorbed.
        if !self.policy.fuse || !self.is_elementwise(n) || self.is_end[n] {
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
            let (base, views) = self.strip(input);
            size += match self.inline[input] {
                Some(inner) => inner,
                _ if self.splat[input].is_some() => 0,
                _ if scalar => 1,
                _ if self.node(base).leaf.is_some() && views => 1,
                _ if matches!(self.lower[base], Lower::Constant(_) | Lower::Size(_)) => 1,
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

    fn operand(&self, n: usize, group: Option<usize>, space: &[Dim]) -> Operand {
        let (base, _) = self.strip_broadcasts(n);
        if let Some(literal) = self.splat[n] {
            return Operand::Const(literal);
        }
        if group.is_some() && self.group_of[n] == group {
            return Operand::Computed;
        }
        let fits = self.is_scalar(n) || self.same_shape(&self.ty(n).shape, space);
        if self.inline[n].is_some() && fits || (base != n && self.inline[base].is_some() && self.is_scalar(base)) {
            return Operand::Computed;
        }
        Operand::Read
    }

    /// The value that broadcasts repeat.
    fn strip_broadcasts(&self, mut n: usize) -> (usize, bool) {
        let start = n;
        while matches!(self.lower[n], Lower::View(View::Broadcast)) {
            n = self.node(n).inputs[0];
        }
        (n, n != start)
    }

    /// Brings an operand of a group's member into the group, or marks it as read.
    fn pull(&mut self, n: usize, group: usize) {
        let root = self.groups[group].root;
        let space = &self.ty(root).shape;
        let joins = self.policy.fuse
            && self.is_elementwise(n)
            && self.group_of[n].is_none()
            && self.inline[n].is_none()
            && self.groups[group].size < LARGEST
            && self.same_shape(&self.ty(n).shape, space)
            && self.consumers[n].iter().all(|&consumer| self.group_of[consumer] == Some(group));
        if joins {
            self.group_of[n] = Some(group);
            self.groups[group].size += 1 + self.node(n).inputs.len();
        } else {
            self.need_operand(n, Some(group), space);
        }
    }

    fn need_operand(&mut self, n: usize, group: Option<usize>, space: &[Dim]) {
        match self.operand(n, group, space) {
            Operand::Const(_) => (),
            Operand::Computed if group.is_some() && self.group_of[n] == group => (),
            Operand::Computed => {
                let (n, _) = self.strip_broadcasts(n);
                for &input in &self.node(n).inputs {
                    self.need_operand(input, None, space);
                }
            }
            Operand::Read => self.need(n),
        }
    }

    /// Makes the map of all consumers of a product or reduction its epilogue.
    fn absorb_consumers(&mut self, n: usize) {
        let fusable = self.policy.fuse && matches!(self.lower[n], Lower::MatMul | Lower::Reduce(..)) && !self.is_end[n];
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
            self.absorbed.insert(n);
        }
    }

    /// Whether a reduction will become a product's second result, see `Fused::sum_columns`.
    fn sums_columns_of_a_product(&self, n: usize) -> bool {
        let Lower::Reduce(wengert_kernels::ReduceOp::Sum, axes) = &self.lower[n] else { return false };
        let operand = self.node(n).inputs[0];
        let product = |&consumer: &usize| {
            matches!(self.lower[consumer], Lower::MatMul) && self.node(consumer).inputs[1] == operand
        };
        axes == &[0] && self.ty(operand).rank() == 2 && self.consumers[operand].iter().any(product)
    }

    /// Marks the operands of a kernel that is not a map.
    fn take_inputs(&mut self, n: usize) {
        let node = self.node(n);
        if let (Lower::Reduce(..), true) = (&self.lower[n], self.policy.fuse) {
            let input = node.inputs[0];
            let only_reader = self.consumers[input] == [n] && !self.is_end[input];
            if self.inline[input].is_some() {
                self.prologue_of.insert(n, Prologue::Inline(input));
                for &operand in &self.node(input).inputs {
                    self.need_operand(operand, None, &self.ty(input).shape);
                }
                return;
            }
            if only_reader && self.is_elementwise(input) {
                let group = self.new_group(input, true);
                self.prologue_of.insert(n, Prologue::Group(group));
                return;
            }
        }
        for &input in &node.inputs {
            self.need(input);
        }
    }

    /// Turns the decisions into kernels.
    pub(super) fn into_kernels(self) -> Result<Fused, Error> {
        let mut maker = Maker {
            value_of: vec![None; self.ir.nodes.len()],
            grouping: self,
            values: Vec::new(),
            kernels: Vec::new(),
        };
        for n in 0..maker.grouping.ir.nodes.len() {
            maker.make(n)?;
        }
        maker.finish()
    }
}

/// The second walk, from the first node to the last: kernels and their values.
struct Maker<'a> {
    grouping: Grouping<'a>,
    value_of: Vec<Option<usize>>,
    values: Vec<Value>,
    kernels: Vec<FusedKernel>,
}

/// An expression under construction.
struct Body {
    expr: Expr,
    inputs: Vec<Access>,
    known: HashMap<usize, wengert_kernels::Value>,
    space: Vec<Dim>,
    group: Option<usize>,
}

impl Maker<'_> {
    fn value(&mut self, ty: TensorType, source: Source) -> usize {
        self.values.push(Value { ty, source });
        self.values.len() - 1
    }

    fn result(&mut self, n: usize) -> usize {
        let value = self.value(self.grouping.ty(n).clone(), Source::Kernel);
        self.value_of[n] = Some(value);
        value
    }

    fn make(&mut self, n: usize) -> Result<(), Error> {
        let grouping = &self.grouping;
        if grouping.copied[n] {
            return self.copy_view(n);
        }
        if let Some(group) = grouping.group_of[n] {
            let Group { root, is_prologue, absorbed, .. } = grouping.groups[group];
            return if root == n && !is_prologue { self.make_group(group, absorbed) } else { Ok(()) };
        }
        if !grouping.needed[n] {
            return Ok(());
        }
        let node = grouping.node(n);
        let source = match (&node.leaf, &grouping.lower[n]) {
            (Some(Leaf::Input(position)), _) => Some(Source::Input(*position)),
            (Some(Leaf::Variable(index)), _) => Some(Source::Variable(*index)),
            (None, Lower::Constant(array)) => Some(Source::Constant(array.clone())),
            (None, Lower::Size(dim)) => Some(Source::Size(dim.clone())),
            _ => None,
        };
        if let Some(source) = source {
            let value = self.value(node.ty.clone(), source);
            self.value_of[n] = Some(value);
            return Ok(());
        }
        if !grouping.absorbed.contains(&n) {
            self.make_kernel(n, n, None)?;
        }
        Ok(())
    }

    /// How a node's value is read.
    fn access(&mut self, mut n: usize) -> Result<Access, Error> {
        let mut views = Vec::new();
        while self.value_of[n].is_none() {
            match &self.grouping.lower[n] {
                Lower::View(view) => {
                    views.push((view.clone(), self.grouping.ty(n).shape.clone()));
                    n = self.grouping.node(n).inputs[0];
                }
                _ => return Err(Error::run(format!("fuse: %{n} ({}) has no value", self.grouping.node(n).op.name()))),
            }
        }
        views.reverse();
        Ok(Access { value: self.value_of[n].unwrap_or_default(), views })
    }

    fn copy_view(&mut self, n: usize) -> Result<(), Error> {
        let ty = self.grouping.ty(n).clone();
        let input = self.access(n)?;
        let output = self.result(n);
        let (label, spaces) = (self.grouping.node(n).label(), vec![ty.shape.clone()]);
        let kind = Kind::Map(Expr::copy(ty.dtype, ty.dtype));
        self.kernels.push(FusedKernel { kind, inputs: vec![input], outputs: vec![output], spaces, label, position: n });
        Ok(())
    }

    fn make_group(&mut self, group: usize, absorbed: Option<usize>) -> Result<(), Error> {
        let root = self.grouping.groups[group].root;
        match absorbed {
            Some(kernel) => self.make_kernel(kernel, root, Some(group)),
            None => {
                let (expr, inputs, members) = self.expression(group, None)?;
                let outputs = members.iter().map(|&member| self.result(member)).collect();
                let spaces = vec![self.grouping.ty(root).shape.clone()];
                let label = self.grouping.node(root).label();
                self.kernels.push(FusedKernel {
                    kind: Kind::Map(expr),
                    inputs,
                    outputs,
                    spaces,
                    label,
                    position: root,
                });
                Ok(())
            }
        }
    }

    /// The expression of a group, what it reads, and the members whose values leave it.
    fn expression(&mut self, group: usize, absorbed: Option<usize>) -> Result<(Expr, Vec<Access>, Vec<usize>), Error> {
        let root = self.grouping.groups[group].root;
        let space = self.grouping.ty(root).shape.clone();
        let mut body = Body { expr: Expr::default(), inputs: vec![], known: HashMap::new(), space, group: Some(group) };
        if let Some(kernel) = absorbed {
            let input = body.expr.input(self.grouping.ty(kernel).dtype);
            body.known.insert(kernel, body.expr.push(Scalar::Input(input))?);
        }
        // A member's inputs have smaller numbers, so that walking up from the root reaches all of them.
        let mut members = vec![root];
        let mut seen = HashSet::from([root]);
        let mut next = 0;
        while let Some(&member) = members.get(next) {
            next += 1;
            for &input in &self.grouping.node(member).inputs {
                if self.grouping.group_of[input] == Some(group) && seen.insert(input) {
                    members.push(input);
                }
            }
        }
        members.sort_unstable();
        let mut leaving = Vec::new();
        for member in members {
            let value = self.computed(member, &mut body)?;
            if member == root || self.grouping.is_end[member] {
                body.expr.output(value, self.grouping.ty(member).dtype)?;
                leaving.push(member);
            }
        }
        Ok((body.expr, body.inputs, leaving))
    }

    /// The value of a node inside an expression.
    fn operand(&mut self, n: usize, body: &mut Body) -> Result<wengert_kernels::Value, Error> {
        if let Some(&value) = body.known.get(&n) {
            return Ok(value);
        }
        let value = match self.grouping.operand(n, body.group, &body.space) {
            Operand::Const(literal) => body.expr.push(Scalar::Const(literal))?,
            Operand::Computed => {
                let (n, _) = self.grouping.strip_broadcasts(n);
                self.computed(n, body)?
            }
            Operand::Read => {
                let access = self.access(n)?;
                let number = match body.inputs.iter().position(|other| *other == access) {
                    Some(number) => number + body.expr.inputs().len() - body.inputs.len(),
                    None => {
                        body.inputs.push(access);
                        body.expr.input(self.grouping.ty(n).dtype) as usize
                    }
                };
                body.expr.push(Scalar::Input(number as u32))?
            }
        };
        body.known.insert(n, value);
        Ok(value)
    }

    fn computed(&mut self, n: usize, body: &mut Body) -> Result<wengert_kernels::Value, Error> {
        if let Some(&value) = body.known.get(&n) {
            return Ok(value);
        }
        let node = self.grouping.node(n);
        let operands = node.inputs.iter().map(|&input| self.operand(input, body)).collect::<Result<Vec<_>, _>>()?;
        let scalar = match (&self.grouping.lower[n], operands.as_slice()) {
            (Lower::Unary(op), [a]) => Scalar::Unary(*op, *a),
            (Lower::Binary(op), [a, b]) => Scalar::Binary(*op, *a, *b),
            (Lower::Select, [c, a, b]) => Scalar::Select(*c, *a, *b),
            (Lower::Cast, [a]) => Scalar::Cast(node.ty.dtype.compute(), *a),
            (Lower::Index(_), []) if self.grouping.is_scalar(n) => Scalar::Const(Literal::int(DType::I64, 0)),
            (Lower::Index(axis), []) => Scalar::Index(*axis as u32),
            _ => return Err(Error::run(format!("fuse: {} is not elementwise", node.op.name()))),
        };
        let value = match scalar {
            Scalar::Cast(dtype, a) if body.expr.dtype(a) == dtype => a,
            scalar => body.expr.push(scalar)?,
        };
        body.known.insert(n, value);
        Ok(value)
    }

    fn make_kernel(&mut self, n: usize, position: usize, epilogue: Option<usize>) -> Result<(), Error> {
        let node = self.grouping.node(n);
        let label = self.grouping.node(position).label();
        let mut space = node.ty.shape.clone();
        let mut inputs = Vec::new();
        let mut prologue = None;
        match self.grouping.prologue_of.get(&n).copied() {
            Some(Prologue::Group(group)) => {
                let (expr, read, _) = self.expression(group, None)?;
                inputs = read;
                prologue = Some(expr);
            }
            Some(Prologue::Inline(root)) => {
                let space = self.grouping.ty(root).shape.clone();
                let mut body =
                    Body { expr: Expr::default(), inputs: vec![], known: HashMap::new(), space, group: None };
                let value = self.computed(root, &mut body)?;
                body.expr.output(value, self.grouping.ty(root).dtype)?;
                inputs = body.inputs;
                prologue = Some(body.expr);
            }
            None => {
                for &input in &node.inputs {
                    inputs.push(self.access(input)?);
                }
            }
        }
        // A prologue over constants alone reads nothing; a reduction needs an operand to know its space by.
        if let (Lower::Reduce(..), Some(expr), true) = (&self.grouping.lower[n], &prologue, inputs.is_empty()) {
            let root = node.inputs[0];
            let ty = self.grouping.ty(root).clone();
            let output = self.value(ty.clone(), Source::Kernel);
            let kind = Kind::Map(expr.clone());
            let (spaces, label) = (vec![ty.shape], label.clone());
            self.kernels.push(FusedKernel {
                kind,
                inputs: vec![],
                outputs: vec![output],
                spaces,
                label,
                position: root,
            });
            inputs.push(Access::whole(output));
            prologue = None;
        }
        let (epilogue, outputs) = match epilogue {
            None => (None, vec![self.result(n)]),
            Some(group) => {
                let (expr, read, members) = self.expression(group, Some(n))?;
                inputs.extend(read);
                (Some(expr), members.iter().map(|&member| self.result(member)).collect())
            }
        };
        let kind = match self.grouping.lower[n].clone() {
            Lower::MatMul => Kind::Gemm { column_sums: false, epilogue },
            Lower::Reduce(op, axes) => {
                space = self.grouping.ty(node.inputs[0]).shape.clone();
                Kind::Reduce { op, axes, prologue, epilogue }
            }
            Lower::Softmax { log } => Kind::Softmax { log },
            Lower::Gather(axis) => Kind::Gather(axis),
            Lower::ScatterAdd(axis) => Kind::ScatterAdd(axis),
            Lower::Random(distribution, stream) => Kind::Random(distribution, stream),
            Lower::Concat(axis) => Kind::Concat(axis),
            Lower::Pad(widths) => Kind::Pad(widths),
            _ => return Err(Error::run(format!("fuse: {} has no kernel", node.op.name()))),
        };
        self.kernels.push(FusedKernel { kind, inputs, outputs, spaces: vec![space], label, position });
        Ok(())
    }

    /// Gives every output and update a value of its own.
    fn finish(mut self) -> Result<Fused, Error> {
        let ir = self.grouping.ir;
        let mut taken = HashSet::new();
        let mut ends = Vec::new();
        for (number, &n) in ir.outputs.iter().chain(ir.updates.iter().map(|(_, value)| value)).enumerate() {
            let own = self.value_of[n]
                .filter(|&value| matches!(self.values[value].source, Source::Kernel) && taken.insert(value));
            ends.push(match own {
                Some(value) => value,
                None => {
                    let ty = ir.nodes[n].ty.clone();
                    let (inputs, expr) = match self.grouping.splat[n] {
                        Some(literal) => {
                            let mut expr = Expr::default();
                            let value = expr.push(Scalar::Const(literal))?;
                            expr.output(value, ty.dtype)?;
                            (vec![], expr)
                        }
                        None => (vec![self.access(n)?], Expr::copy(ty.dtype, ty.dtype)),
                    };
                    let value = self.value(ty.clone(), Source::Kernel);
                    let (label, position) = (ir.nodes[n].label(), ir.nodes.len() + number);
                    let kind = Kind::Map(expr);
                    self.kernels.push(FusedKernel {
                        kind,
                        inputs,
                        outputs: vec![value],
                        spaces: vec![ty.shape],
                        label,
                        position,
                    });
                    value
                }
            });
        }
        let updates = ends.split_off(ir.outputs.len());
        Ok(Fused {
            values: self.values,
            kernels: self.kernels,
            outputs: ends,
            updates: ir.updates.iter().map(|(variable, _)| *variable).zip(updates).collect(),
            inputs: ir.inputs.clone(),
            dims: ir.dims.clone(),
        })
    }
}
