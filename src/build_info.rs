//! What this binary was built from, for bug reports.

use std::fmt;
use wengert_kernels::Isa;

/// What this binary was built from and what it runs on; [`build_info`] gives it, `Display` prints it for a bug report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildInfo {
    /// Version of the crate.
    pub version: &'static str,
    /// The commit it was built from, `unknown` outside a checkout.
    pub commit: &'static str,
    /// The compiler, as `rustc --version` prints it.
    pub rustc: &'static str,
    /// Optimisation level, 0 to 3, `s` or `z`.
    pub opt_level: &'static str,
    /// Whether debug assertions are on.
    pub debug_assertions: bool,
    /// The target triple.
    pub target: &'static str,
    /// The best instruction set found on the machine that runs it.
    pub isa: Isa,
    /// Where a CUDA toolkit was when it was built.
    pub cuda_toolkit: Option<&'static str>,
}

/// What this binary was built from.
///
/// ```
/// let info = wengert::build_info();
/// assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
/// println!("{info}");
/// ```
#[must_use]
pub fn build_info() -> BuildInfo {
    let known = |value: &'static str| if value.is_empty() { "unknown" } else { value };
    BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        commit: known(env!("WENGERT_COMMIT")),
        rustc: known(env!("WENGERT_RUSTC")),
        opt_level: known(env!("WENGERT_OPT_LEVEL")),
        debug_assertions: cfg!(debug_assertions),
        target: known(env!("WENGERT_TARGET")),
        isa: Isa::detect(),
        cuda_toolkit: Some(env!("WENGERT_CUDA")).filter(|place| !place.is_empty()),
    }
}

impl fmt::Display for BuildInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wengert {} ({})", self.version, self.commit)?;
        writeln!(f, "built by {} for {}", self.rustc, self.target)?;
        let assertions = if self.debug_assertions { "on" } else { "off" };
        writeln!(f, "optimisation level {}, debug assertions {assertions}", self.opt_level)?;
        writeln!(f, "CPU kernels: {}", self.isa)?;
        write!(f, "CUDA toolkit at build time: {}", self.cuda_toolkit.unwrap_or("none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_known() {
        let info = build_info();
        assert!(info.rustc.starts_with("rustc "), "{info}");
        assert!(info.commit == "unknown" || info.commit.len() >= 40, "{info}");
        assert_eq!(info.debug_assertions, cfg!(debug_assertions));
        assert_eq!(info.to_string().lines().count(), 5);
        assert!(!info.to_string().contains("()"));
    }
}
