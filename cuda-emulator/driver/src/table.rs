//! Handles: numbers that look to C like pointers, checked against tables and never followed.

use crate::code::{Answer, Code};
use std::collections::BTreeMap;

/// A kind of handle.
pub(crate) trait Handle: Copy + Ord {
    /// A number that no other kind has, so that a handle of another kind is never found.
    const KIND: u64;
    /// What a handle that is not in the table answers.
    const MISSING: Code = Code::INVALID_HANDLE;

    /// The handle with this number.
    fn of(number: u64) -> Self;
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident = $kind:literal $(, $missing:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub(crate) struct $name(pub(crate) u64);

        impl Handle for $name {
            const KIND: u64 = $kind;
            $(const MISSING: Code = Code::$missing;)?

            fn of(number: u64) -> Self {
                $name(number)
            }
        }
    )*};
}

handles! {
    /// `CUcontext`.
    ContextId = 1, INVALID_CONTEXT;
    /// `CUstream`.
    StreamId = 2;
    /// `CUevent`.
    EventId = 3;
    /// `CUmodule`, and `CUlibrary`.
    ModuleId = 4;
    /// `CUfunction`, and `CUkernel`.
    FunctionId = 5;
    /// `CUgraph`.
    GraphId = 6;
    /// `CUgraphNode`.
    NodeId = 7;
    /// `CUgraphExec`.
    ExecId = 8;
    /// `CUmemoryPool`.
    PoolId = 9;
    /// A capture under way; no handle of the interface.
    CaptureId = 10;
}

/// What exists of one kind.
#[derive(Debug)]
pub(crate) struct Table<I, T> {
    rows: BTreeMap<I, T>,
    made: u64,
}

impl<I: Handle, T> Table<I, T> {
    pub(crate) const fn new() -> Self {
        Table { rows: BTreeMap::new(), made: 0 }
    }

    /// Takes something in under a handle that never comes again.
    pub(crate) fn add(&mut self, value: T) -> I {
        self.made += 1;
        // High bits that no pointer of a program has, so that a handle taken for a pointer faults at once.
        let id = I::of(0xcade_0000_0000_0000 | I::KIND << 40 | self.made << 4);
        self.rows.insert(id, value);
        id
    }

    pub(crate) fn get(&self, id: I) -> Answer<&T> {
        self.rows.get(&id).ok_or(I::MISSING)
    }

    pub(crate) fn get_mut(&mut self, id: I) -> Answer<&mut T> {
        self.rows.get_mut(&id).ok_or(I::MISSING)
    }

    pub(crate) fn remove(&mut self, id: I) -> Answer<T> {
        self.rows.remove(&id).ok_or(I::MISSING)
    }

    pub(crate) fn contains(&self, id: I) -> bool {
        self.rows.contains_key(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        self.rows.iter_mut().map(|(id, row)| (*id, row))
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.rows.retain(|_, row| keep(row));
    }

    /// Removes what is chosen, and answers with it.
    pub(crate) fn take(&mut self, chosen: impl Fn(&T) -> bool) -> Vec<T> {
        let chosen: Vec<_> = self.rows.iter().filter(|(_, row)| chosen(row)).map(|(id, _)| *id).collect();
        chosen.iter().filter_map(|id| self.rows.remove(id)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}
