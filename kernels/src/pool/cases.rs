//! The family's part of the conformance suite.

use crate::{Error, conformance::Case};

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    Ok(vec![])
}
