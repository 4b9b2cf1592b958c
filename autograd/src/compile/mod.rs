//! From the tape to a program, in stages that are types.
//!
//! ```text
//! Recorded -- canonicalise --> Canonical -- fuse --> Fused -- bind sizes, plan memory --> Planned -- load --> Loaded
//! ```
//!
//! Each stage is made from the one before and from nothing else, checks itself (`verify`) and prints itself. Everything up
//! to [`Fused`] works on open sizes and happens once for a function; binding happens once for each set of sizes.

mod canonical;
mod fold;
mod fuse;
mod group;
mod ir;
mod layout;
mod make;
mod order_rules;
mod pattern;
mod plan;
mod recorded;
mod reduce_rules;
mod rewrite;
mod row_rules;

pub use canonical::Canonical;
pub use fuse::Fused;
pub(crate) use fuse::Source;
pub(crate) use ir::{Ir, IrNode, Leaf};
pub use plan::Planned;
pub use recorded::Recorded;
pub use rewrite::{Class, RULES, Rule};

/// What the compiler may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Apply the rewrite rules at all.
    pub rewrite: bool,
    /// Apply rules that hold only if every value is finite (`x * 0 = 0`).
    pub assume_finite: bool,
    /// Merge elementwise chains, prologues and epilogues into kernels.
    pub fuse: bool,
}

impl Policy {
    /// Every rewrite that holds for all values, and fusion.
    pub const OPTIMISED: Policy = Policy { rewrite: true, assume_finite: false, fuse: true };

    /// One kernel for each op, as it was written: what optimised programs are checked against.
    pub const PLAIN: Policy = Policy { rewrite: false, assume_finite: false, fuse: false };
}

impl Default for Policy {
    fn default() -> Policy {
        Policy::OPTIMISED
    }
}
