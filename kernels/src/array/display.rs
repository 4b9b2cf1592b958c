//! Arrays as text, in NumPy's form.
//!
//! The rules are those of NumPy's `arrayprint.py` with its default options (line width 75, 8 digits, summary beyond 1000
//! elements, 3 items at each edge), so that a printed array can be compared with one printed by NumPy.

use super::{Array, ArrayView};
use crate::plain;
use crate::{DType, Element, dispatch};
use std::fmt;

/// NumPy's print options.
struct Style {
    precision: usize,
    threshold: usize,
    edge: usize,
    width: usize,
}

impl fmt::Display for ArrayView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style { precision: f.precision().unwrap_or(8), threshold: 1000, edge: 3, width: 75 };
        f.write_str(&render(self, &style))
    }
}

impl fmt::Debug for ArrayView<'_> {
    /// Dtype, shape, and the elements (a few of them if there are many) on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style { precision: f.precision().unwrap_or(8), threshold: 24, edge: 2, width: usize::MAX };
        let text = render(self, &style);
        let line: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        write!(f, "Array({} {:?}, {})", self.dtype, self.shape(), line.join(" "))
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

impl fmt::Debug for Array {
    /// Dtype, shape, and the elements (a few of them if there are many) on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.view(), f)
    }
}

fn render(array: &ArrayView<'_>, style: &Style) -> String {
    let shape = array.shape();
    if array.is_empty() {
        return "[]".into();
    }
    if shape.is_empty() {
        return scalar(array);
    }
    let summary = array.len() > style.threshold;
    let edges: Vec<Option<usize>> =
        shape.iter().map(|&size| (summary && 2 * style.edge < size).then_some(style.edge)).collect();
    let mut shown = vec![0];
    for (&size, &edge) in shape.iter().zip(&edges) {
        let kept = |i: usize| edge.is_none_or(|edge| i < edge || i >= size - edge);
        shown = shown.iter().flat_map(|&row| (0..size).filter(|&i| kept(i)).map(move |i| row * size + i)).collect();
    }
    let words = words(array, &shown, style.precision);
    Writer { shape, edges: &edges, words: words.iter() }.axis(0, " ".into(), style.width)
}

struct Writer<'a> {
    shape: &'a [usize],
    edges: &'a [Option<usize>],
    /// The words of the elements shown, in row-major order, which is the order of the recursion.
    words: std::slice::Iter<'a, String>,
}

impl Writer<'_> {
    fn axis(&mut self, axis: usize, indent: String, width: usize) -> String {
        let (size, edge) = (self.shape[axis], self.edges[axis]);
        let items = edge.map_or(size, |edge| 2 * edge);
        let left = self.shape.len() - axis;
        let mut text = String::new();
        if left == 1 {
            let mut line = indent.clone();
            let mut extend = |word: &str| {
                // A word that is alone on its line stays there however long it is.
                if line.len() + word.len() > width.saturating_sub(1) && line.len() > indent.len() {
                    text.push_str(line.trim_end());
                    text.push('\n');
                    line.clone_from(&indent);
                }
                line.push_str(word);
                line.push(' ');
            };
            for (number, word) in self.words.by_ref().take(items).enumerate() {
                if edge == Some(number) {
                    extend("...");
                }
                extend(word);
            }
            line.pop();
            text.push_str(&line);
        } else {
            let between = "\n".repeat(left - 1);
            for number in 0..items {
                if edge == Some(number) {
                    text += &format!("{indent}...{between}");
                }
                let nested = self.axis(axis + 1, format!("{indent} "), width - 1);
                let after = if number + 1 < items { &between } else { "" };
                text += &format!("{indent}{nested}{after}");
            }
        }
        format!("[{}]", &text[indent.len()..])
    }
}

/// One word for each of the elements with these row-major numbers, all of one width.
fn words(array: &ArrayView<'_>, shown: &[usize], precision: usize) -> Vec<String> {
    let dtype = array.dtype;
    dispatch!(dtype, T => {
        let size = size_of::<T>();
        let read = |&i: &usize| plain::element::<T>(&array.bytes[i * size..][..size]).unwrap_or_default();
        if dtype.is_float() {
            return floats(dtype, &shown.iter().map(|i| read(i).to_f64()).collect::<Vec<_>>(), precision);
        }
        // Debug of an integer is exact where f64 is not, and of a bool lacks only NumPy's capital.
        let words: Vec<String> = shown.iter().map(|i| capital(format!("{:?}", read(i)))).collect();
        let width = words.iter().map(String::len).max().unwrap_or(0).max(if dtype == DType::Bool { 5 } else { 0 });
        words.into_iter().map(|word| format!("{word:>width$}")).collect()
    })
}

fn capital(word: String) -> String {
    match word.as_str() {
        "true" => "True".into(),
        "false" => "False".into(),
        _ => word,
    }
}

/// NumPy prints a scalar as Python prints a number: no common width, and its own bounds for the scientific form.
fn scalar(array: &ArrayView<'_>) -> String {
    if !array.dtype.is_float() {
        return words(array, &[0], 0)[0].trim_start().into();
    }
    let x = array.to_f64()[0];
    if !x.is_finite() {
        return non_finite(x).into();
    }
    let digits = Digits::shortest(array.dtype, x);
    if x == 0.0 || (1e-4..ceiling(array.dtype, 1e16)).contains(&x.abs()) {
        let text = digits.positional();
        if text.ends_with('.') { text + "0" } else { text }
    } else {
        let text = digits.mantissa();
        format!("{}{}", text.trim_end_matches('.'), digits.exponent(2))
    }
}

fn non_finite(x: f64) -> &'static str {
    if x.is_nan() {
        "nan"
    } else if x > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

/// From here on a number is scientific: the decimal digits that the dtype is sure to hold, `f64`'s being a convention.
fn ceiling(dtype: DType, f64s: f64) -> f64 {
    match dtype {
        DType::BF16 => 1e2,
        DType::F16 => 1e3,
        DType::F32 => 1e6,
        _ => f64s,
    }
}

/// NumPy's `FloatingFormat` with `floatmode="maxprec"`.
fn floats(dtype: DType, values: &[f64], precision: usize) -> Vec<String> {
    let magnitudes = || values.iter().filter(|x| x.is_finite() && **x != 0.0).map(|x| x.abs());
    let (least, most) = magnitudes().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let ceiling = ceiling(dtype, 1e8);
    // NumPy compares in the dtype of the array.
    let rounded = |x: f64| dispatch!(dtype, T => T::from_f64(x).to_f64());
    let scientific = most > 0.0 && (most >= ceiling || least < rounded(0.0001) || rounded(most / least) > 1000.0);
    let digits: Vec<Option<Digits>> = (values.iter())
        .map(|&x| x.is_finite().then(|| Digits::shortest(dtype, x).limited(x, precision, scientific)))
        .collect();
    let finite = || digits.iter().flatten();
    let words: Vec<String> = if scientific {
        let fraction = finite().map(|d| d.digits.len() - 1).max().unwrap_or(0);
        // Digits beyond the shortest are those of the exact value, not zeros.
        let padded = |x: f64, d: Digits| match fraction {
            fraction if d.digits.len() > fraction => d,
            _ => Digits::exactly(&format!("{x:.fraction$e}")),
        };
        let digits: Vec<_> = values.iter().zip(digits).map(|(&x, d)| d.map(|d| padded(x, d))).collect();
        let exponent = digits.iter().flatten().map(|d| d.exponent(2).len() - 2).max().unwrap_or(2);
        let word = |d: &Digits| d.mantissa() + &d.exponent(exponent);
        values.iter().zip(&digits).map(|(&x, d)| d.as_ref().map_or_else(|| non_finite(x).into(), word)).collect()
    } else {
        let fraction = |word: &str| word.len() - word.find('.').map_or(word.len(), |dot| dot + 1);
        let pad = finite().map(|d| fraction(&d.positional())).max();
        let word = |d: &Digits| {
            let word = d.positional();
            let missing = pad.unwrap_or(0) - fraction(&word);
            word + &" ".repeat(missing)
        };
        values.iter().zip(&digits).map(|(&x, d)| d.as_ref().map_or_else(|| non_finite(x).into(), word)).collect()
    };
    let width = words.iter().map(String::len).max().unwrap_or(0);
    words.into_iter().map(|word| format!("{word:>width$}")).collect()
}

/// A finite number in decimal: its first digit counts `10^exponent`.
struct Digits {
    negative: bool,
    digits: String,
    exponent: i32,
}

impl Digits {
    /// For a finite `x`, the fewest digits that read back as the same value of `dtype`, of several the nearest, of two the even ones.
    fn shortest(dtype: DType, x: f64) -> Digits {
        let reads_back = |text: &String| match dtype {
            DType::F32 => text.parse() == Ok(x as f32),
            _ => text.parse().is_ok_and(|back| dispatch!(dtype, T => T::from_f64(back).to_f64() == x)),
        };
        let text = match dtype {
            DType::F64 => format!("{x:e}"),
            DType::F32 => format!("{:e}", x as f32),
            // Next to a power of two only the upper of two equally near decimals may read back.
            _ => (0..17)
                .flat_map(|precision| [x, x * (1.0 + f64::from(f32::EPSILON))].map(|x| format!("{x:.precision$e}")))
                .find(reads_back)
                .unwrap_or_else(|| format!("{x:e}")),
        };
        let shortest = Digits::from_scientific(&text);
        let precision = shortest.digits.len() - 1;
        let even = format!("{x:.precision$e}");
        if reads_back(&even) { Digits::from_scientific(&even) } else { shortest }
    }

    /// From the text of `{:e}`; trailing zeros go.
    fn from_scientific(text: &str) -> Digits {
        let mut all = Digits::exactly(text);
        all.digits.truncate(all.digits.trim_end_matches('0').len().max(1));
        all
    }

    /// From the text of `{:e}`, trailing zeros and all.
    fn exactly(text: &str) -> Digits {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        Digits {
            negative: text.starts_with('-'),
            digits: mantissa.chars().filter(char::is_ascii_digit).collect(),
            exponent: exponent.parse().unwrap_or(0),
        }
    }

    /// At most `precision` digits after the point; if that takes digits away, those of the exact value, rounded.
    fn limited(self, x: f64, precision: usize, scientific: bool) -> Digits {
        let last = self.digits.len() as i64 - 1 - if scientific { 0 } else { i64::from(self.exponent) };
        if last <= precision as i64 {
            return self;
        }
        if scientific {
            return Digits::from_scientific(&format!("{x:.precision$e}"));
        }
        let text = format!("{:.precision$}", x.abs());
        let point = text.find('.').unwrap_or(text.len()) as i32;
        let all = text.replace('.', "");
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Digits { digits: "0".into(), exponent: 0, ..self };
        }
        let exponent = point - 1 - (all.len() - digits.len()) as i32;
        Digits { digits: digits.trim_end_matches('0').into(), exponent, ..self }
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    /// `12.5`, `12.` for a whole number.
    fn positional(&self) -> String {
        let (sign, digits) = (self.sign(), &self.digits);
        match usize::try_from(self.exponent) {
            Ok(exponent) if digits.len() > exponent => {
                let (whole, fraction) = digits.split_at(exponent + 1);
                format!("{sign}{whole}.{fraction}")
            }
            Ok(exponent) => format!("{sign}{digits:0<width$}.", width = exponent + 1),
            Err(_) => format!("{sign}0.{}{digits}", "0".repeat(self.exponent.unsigned_abs() as usize - 1)),
        }
    }

    /// `1.25`, `1.` for one digit.
    fn mantissa(&self) -> String {
        format!("{}{}.{}", self.sign(), &self.digits[..1], &self.digits[1..])
    }

    /// `e+05` with at least `width` digits.
    fn exponent(&self, width: usize) -> String {
        let sign = if self.exponent < 0 { '-' } else { '+' };
        format!("e{sign}{:0>width$}", self.exponent.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print<T: Element>(values: &[T]) -> String {
        Array::new(&[values.len()], values).unwrap().to_string()
    }

    fn counting(dtype: DType, shape: &[usize]) -> Array {
        Array::from_fn(dtype, shape, |i| i as f64).unwrap()
    }

    // Every expected string was printed by NumPy 2.4.

    #[test]
    fn floats_share_a_width() {
        assert_eq!(print(&[0.1f32, 0.2, 0.3]), "[0.1 0.2 0.3]");
        assert_eq!(print(&[1.0f32 / 3.0, 2.0 / 3.0, 100.125]), "[  0.33333334   0.6666667  100.125     ]");
        assert_eq!(print(&[1.0 / 3.0, -2.0 / 3.0, 100.125]), "[  0.33333333  -0.66666667 100.125     ]");
        assert_eq!(print(&[std::f64::consts::PI, std::f64::consts::E]), "[3.14159265 2.71828183]");
        assert_eq!(print(&[0.999_999_999, 2.0]), "[1. 2.]");
        assert_eq!(print(&[-0.0f32, 0.0]), "[-0.  0.]");
        assert_eq!(print(&[0.0001f32]), "[0.0001]");
        assert_eq!(print(&[999_999.5f32, 1000.25]), "[999999.5    1000.25]");
        assert_eq!(print(&[99_999_999.0, 1e6]), "[99999999.  1000000.]");
        assert_eq!(print(&[0.001f32, 1.0]), "[0.001 1.   ]");
    }

    #[test]
    fn large_ratios_are_scientific() {
        assert_eq!(print(&[0.001f32, 1.001]), "[1.000e-03 1.001e+00]");
        assert_eq!(print(&[1e-5f32, 1.0, 123.456]), "[1.00000e-05 1.00000e+00 1.23456e+02]");
        assert_eq!(print(&[1e-10, -1.5, 1e100]), "[ 1.0e-010 -1.5e+000  1.0e+100]");
        assert_eq!(print(&[1e6f32, 2.0]), "[1.e+06 2.e+00]");
        assert_eq!(print(&[0.1f32, 123.45678]), "[1.0000000e-01 1.2345678e+02]");
        let half = |values: &[f32]| print(&values.iter().map(|&x| half::f16::from_f32(x)).collect::<Vec<_>>());
        assert_eq!(half(&[0.1, 3.25, 999.0]), "[1.00e-01 3.25e+00 9.99e+02]");
        assert_eq!(print(&[6_591.0 + 1.0f32 / 32.0, -0.001]), "[ 6.5910312e+03 -1.0000000e-03]");
        assert_eq!(half(&[0.015625, 0.5]), "[0.01563 0.5    ]");
        assert_eq!(half(&[6e-8, 65504.0]), "[5.96e-08 6.55e+04]");
    }

    #[test]
    fn nan_and_infinity_take_their_width() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        assert_eq!(print(&[nan, inf, -inf, 1.5]), "[ nan  inf -inf  1.5]");
        assert_eq!(print(&[nan, -inf]), "[ nan -inf]");
        assert_eq!(print(&[nan, -1e-7, inf]), "[    nan -1.e-07     inf]");
    }

    #[test]
    fn integers_and_booleans() {
        assert_eq!(Array::from_rows(&[[1, -20], [300, 4]]).unwrap().to_string(), "[[  1 -20]\n [300   4]]");
        assert_eq!(print(&[9_007_199_254_740_993i64, -1]), "[9007199254740993               -1]");
        let bools = Array::from_rows(&[[true, false], [false, false]]).unwrap();
        assert_eq!(bools.to_string(), "[[ True False]\n [False False]]");
        assert_eq!(print(&[true]), "[ True]");
    }

    #[test]
    fn axes_nest() {
        let cube = "[[[ 0.  1.]\n  [ 2.  3.]\n  [ 4.  5.]]\n\n [[ 6.  7.]\n  [ 8.  9.]\n  [10. 11.]]]";
        assert_eq!(counting(DType::F32, &[2, 3, 2]).to_string(), cube);
        let four = "[[[[0 1]]\n\n  [[2 3]]]\n\n\n [[[4 5]]\n\n  [[6 7]]]]";
        assert_eq!(counting(DType::I64, &[2, 2, 1, 2]).to_string(), four);
        assert_eq!(counting(DType::F32, &[0, 3]).to_string(), "[]");
    }

    #[test]
    fn long_lines_wrap() {
        let wrapped = "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39]";
        assert_eq!(counting(DType::I32, &[40]).to_string(), wrapped);
        let sevenths = Array::new(&[2, 15], &(0..30).map(|i| i as f32 / 7.0).collect::<Vec<_>>()).unwrap();
        let wrapped = "\
[[0.         0.14285715 0.2857143  0.42857143 0.5714286  0.71428573
  0.85714287 1.         1.1428572  1.2857143  1.4285715  1.5714285
  1.7142857  1.8571428  2.        ]
 [2.142857   2.2857144  2.4285715  2.5714285  2.7142856  2.857143
  3.         3.142857   3.2857144  3.4285715  3.5714285  3.7142856
  3.857143   4.         4.142857  ]]";
        assert_eq!(sevenths.to_string(), wrapped);
        let full = counting(DType::I32, &[2, 500]).to_string();
        assert!(!full.contains("...") && full.lines().all(|line| line.len() <= 75) && full.lines().count() == 56);
    }

    #[test]
    fn long_arrays_are_summarised() {
        assert_eq!(counting(DType::I64, &[1001]).to_string(), "[   0    1    2 ...  998  999 1000]");
        let summary = "\
[[0.000e+00 1.000e+00 2.000e+00 ... 2.700e+01 2.800e+01 2.900e+01]
 [3.000e+01 3.100e+01 3.200e+01 ... 5.700e+01 5.800e+01 5.900e+01]
 [6.000e+01 6.100e+01 6.200e+01 ... 8.700e+01 8.800e+01 8.900e+01]
 ...
 [1.110e+03 1.111e+03 1.112e+03 ... 1.137e+03 1.138e+03 1.139e+03]
 [1.140e+03 1.141e+03 1.142e+03 ... 1.167e+03 1.168e+03 1.169e+03]
 [1.170e+03 1.171e+03 1.172e+03 ... 1.197e+03 1.198e+03 1.199e+03]]";
        assert_eq!(counting(DType::F32, &[40, 30]).to_string(), summary);
        let cube = counting(DType::I32, &[4, 10, 50]).to_string();
        let first = "[[[   0    1    2 ...   47   48   49]\n  [  50   51   52 ...   97   98   99]\n  [ 100  101  102 ...  147  148  149]\n  ...\n";
        let last = "  [1950 1951 1952 ... 1997 1998 1999]]]";
        assert!(cube.starts_with(first) && cube.ends_with(last), "{cube}");
    }

    #[test]
    fn scalars_print_as_numbers() {
        fn one<T: Element>(value: T) -> String {
            Array::scalar(value).unwrap().to_string()
        }
        assert_eq!([one(0.1f32), one(1.0), one(1e16), one(1e15)], ["0.1", "1.0", "1e+16", "1000000000000000.0"]);
        assert_eq!([one(1e6f32), one(1e5f32), one(0.0001f32)], ["1e+06", "100000.0", "1e-04"]);
        assert_eq!([one(1.5e-5f32), one(f32::NAN), one(1.234_567_89e28)], ["1.5e-05", "nan", "1.23456789e+28"]);
        assert_eq!([one(true), one(-7i64).as_str().into()], ["True".to_string(), "-7".into()]);
        assert_eq!(one(half::f16::from_f32(65504.0)), "6.55e+04");
    }

    #[test]
    fn precision_and_debug() {
        let pi = Array::try_from([std::f64::consts::PI, 1.0]).unwrap();
        assert_eq!(format!("{pi:.3}"), "[3.142 1.   ]");
        assert_eq!(format!("{:?}", counting(DType::F32, &[2, 2])), "Array(f32 [2, 2], [[0. 1.] [2. 3.]])");
        assert_eq!(format!("{:?}", counting(DType::U8, &[100])), "Array(u8 [100], [ 0  1 ... 98 99])");
    }
}
