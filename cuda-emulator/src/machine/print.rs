//! `printf` of kernels.

use std::iter::Peekable;

/// Where `printf` finds its arguments.
pub(super) trait Arguments {
    /// The next argument, of 4 or 8 bytes.
    fn next(&mut self, bytes: u32) -> u64;
    /// The string at an address.
    fn text(&mut self, address: u64) -> Vec<u8>;
}

/// Widths and precisions beyond this are cut.
const WIDTH_LIMIT: usize = 1 << 10;

/// A conversion: `%-8.3lf`.
#[derive(Clone, Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    wide: bool,
}

/// What `printf` writes for a format and its arguments, and how many conversions there were.
pub(super) fn format(format: &[u8], arguments: &mut dyn Arguments) -> (String, u32) {
    let mut out = Vec::new();
    let mut count = 0;
    let mut rest = format.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = rest.next_if(|it| b"-+ #0".contains(it)) {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                _ => spec.zero = true,
            }
        }
        let width = number(&mut rest, arguments);
        spec.left |= width < 0;
        spec.width = (width.unsigned_abs() as usize).min(WIDTH_LIMIT);
        if rest.next_if_eq(&b'.').is_some() {
            spec.precision = usize::try_from(number(&mut rest, arguments)).ok().map(|it| it.min(WIDTH_LIMIT));
        }
        while let Some(length) = rest.next_if(|it| b"hlLqjzt".contains(it)) {
            spec.wide |= length != b'h';
        }
        let Some(kind) = rest.next() else { break };
        if kind == b'%' {
            out.push(b'%');
            continue;
        }
        count += 1;
        out.extend(spec.convert(kind, arguments));
    }
    (String::from_utf8_lossy(&out).into_owned(), count)
}

/// A width or a precision: digits, or `*` for an argument.
fn number(rest: &mut Peekable<impl Iterator<Item = u8>>, arguments: &mut dyn Arguments) -> i32 {
    if rest.next_if_eq(&b'*').is_some() {
        return arguments.next(4) as i32;
    }
    let mut value = 0i32;
    while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
        value = value.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
    }
    value
}

impl Spec {
    fn convert(&self, kind: u8, arguments: &mut dyn Arguments) -> Vec<u8> {
        let bytes = if self.wide { 8 } else { 4 };
        match kind {
            b'd' | b'i' => {
                let value = arguments.next(bytes);
                let value = if self.wide { value as i64 } else { i64::from(value as i32) };
                self.integer(self.sign(value < 0), value.unsigned_abs().to_string())
            }
            b'u' => {
                let value = arguments.next(bytes);
                self.integer("", value.to_string())
            }
            b'x' | b'X' | b'o' => {
                let value = arguments.next(bytes);
                let digits = match kind {
                    b'x' => format!("{value:x}"),
                    b'X' => format!("{value:X}"),
                    _ => format!("{value:o}"),
                };
                let prefix = match kind {
                    _ if !self.alternate || value == 0 => "",
                    b'x' => "0x",
                    b'X' => "0X",
                    _ => "0",
                };
                self.integer(prefix, digits)
            }
            b'p' => {
                let value = arguments.next(8);
                Spec { zero: false, precision: None, ..self.clone() }.integer("0x", format!("{value:x}"))
            }
            b'c' => self.pad("", vec![arguments.next(4) as u8], false),
            b's' => {
                let address = arguments.next(8);
                let mut text = arguments.text(address);
                text.truncate(self.precision.unwrap_or(usize::MAX));
                self.pad("", text, false)
            }
            b'f' | b'F' | b'e' | b'E' | b'g' | b'G' => {
                let value = f64::from_bits(arguments.next(8));
                let sign = self.sign(value.is_sign_negative());
                if !value.is_finite() {
                    let text = if value.is_nan() { "nan" } else { "inf" };
                    let text = if kind.is_ascii_uppercase() { text.to_uppercase() } else { text.into() };
                    return self.pad(sign, text.into_bytes(), false);
                }
                let mut text = self.float(kind.to_ascii_lowercase(), value.abs());
                if kind.is_ascii_uppercase() {
                    text.make_ascii_uppercase();
                }
                self.pad(sign, text.into_bytes(), true)
            }
            // A conversion that nobody knows stands for itself.
            other => vec![b'%', other],
        }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn integer(&self, prefix: &str, mut digits: String) -> Vec<u8> {
        if self.precision == Some(0) && digits == "0" {
            digits.clear();
        }
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        digits.insert_str(0, &"0".repeat(zeros));
        // With a precision the flag 0 says nothing.
        self.pad(prefix, digits.into_bytes(), self.precision.is_none())
    }

    fn pad(&self, prefix: &str, text: Vec<u8>, zeros: bool) -> Vec<u8> {
        let missing = self.width.saturating_sub(prefix.len() + text.len());
        let mut out = Vec::with_capacity(self.width.max(text.len()));
        let zeros = zeros && self.zero && !self.left;
        if !self.left && !zeros {
            out.resize(missing, b' ');
        }
        out.extend(prefix.bytes());
        if zeros {
            out.resize(out.len() + missing, b'0');
        }
        out.extend(text);
        if self.left {
            out.resize(out.len() + missing, b' ');
        }
        out
    }

    fn float(&self, kind: u8, value: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        match kind {
            b'f' => self.pointed(format!("{value:.precision$}")),
            b'e' => self.exponential(value, precision),
            _ => {
                let precision = precision.max(1);
                let rounded = format!("{value:.*e}", precision - 1);
                let exponent = rounded.rsplit('e').next().and_then(|it| it.parse::<i32>().ok()).unwrap_or(0);
                let fixed = exponent >= -4 && exponent < precision as i32;
                let text = if fixed {
                    format!("{value:.*}", (precision as i32 - 1 - exponent) as usize)
                } else {
                    self.exponential(value, precision - 1)
                };
                if self.alternate {
                    return text;
                }
                let (digits, tail) = match text.find('e') {
                    Some(at) => text.split_at(at),
                    None => (text.as_str(), ""),
                };
                let digits =
                    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
                format!("{digits}{tail}")
            }
        }
    }

    fn exponential(&self, value: f64, precision: usize) -> String {
        let text = format!("{value:.precision$e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", self.pointed(digits.into()), exponent.abs())
    }

    fn pointed(&self, mut digits: String) -> String {
        if self.alternate && !digits.contains('.') {
            digits.push('.');
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(Vec<u64>);

    impl Arguments for List {
        fn next(&mut self, bytes: u32) -> u64 {
            let value = self.0.remove(0);
            if bytes == 4 { value & 0xffff_ffff } else { value }
        }

        fn text(&mut self, _: u64) -> Vec<u8> {
            b"text".to_vec()
        }
    }

    #[test]
    fn conversions() {
        let show = |text: &str, values: &[u64]| format(text.as_bytes(), &mut List(values.to_vec())).0;
        let float = |text: &str, value: f64| show(text, &[value.to_bits()]);
        assert_eq!(show("%d %5d|%-5d|%05d|%+d", &[u64::MAX, 42, 42, (-42i64) as u64, 7]), "-1    42|42   |-0042|+7");
        assert_eq!(show("%u %x %X %#x %o", &[u64::MAX, 255, 255, 255, 8]), "4294967295 ff FF 0xff 10");
        assert_eq!(show("%lld %llu %ld", &[u64::MAX, u64::MAX, 5]), "-1 18446744073709551615 5");
        assert_eq!(show("%s|%6s|%.2s %c%%", &[1, 1, 1, 65]), "text|  text|te A%");
        assert_eq!(show("%p %*d %.3d", &[4096, 4, 5, 7]), "0x1000    5 007");
        assert_eq!(float("%f", 1.5), "1.500000");
        assert_eq!(float("%08.2f", -1.5), "-0001.50");
        assert_eq!(float("%e", 12345.678), "1.234568e+04");
        assert_eq!(float("%.0e", 0.00012), "1e-04");
        assert_eq!(float("%g", 0.0001), "0.0001");
        assert_eq!(float("%g", 0.00001234), "1.234e-05");
        assert_eq!(float("%g", 100000.0), "100000");
        assert_eq!(float("%g", 1e6), "1e+06");
        assert_eq!(float("%.3g", 9.999), "10");
        assert_eq!(float("%f", f64::NEG_INFINITY), "-inf");
        assert_eq!(float("%G", f64::NAN), "NAN");
        assert_eq!(show("%", &[]), "");
        assert_eq!(format(b"%d %d%%", &mut List(vec![1, 2])).1, 2);
    }
}
