//! Pictures of a training: curves, images with verdicts, confusion matrices, as PNG files.
//!
//! The letters are those of DejaVu Sans, which is part of the program, so that a picture looks the same on every machine
//! and needs no fonts there. A file is written as a whole or not at all.

mod canvas;
mod confusion;
mod curves;
mod grid;

pub use confusion::confusion_matrix;
pub use curves::{Panel, curves};
pub use grid::{image_grid, verdicts};

/// A colour: red, green and blue from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// Black, the colour of ink.
    pub const BLACK: Color = Color(0, 0, 0);
    /// White, the colour of paper.
    pub const WHITE: Color = Color(255, 255, 255);
    /// The red of what is wrong.
    pub const RED: Color = Color(214, 39, 40);
    /// The green of what is right.
    pub const GREEN: Color = Color(44, 140, 44);
    /// Ten colours that can be told from each other: Tableau's.
    pub const PALETTE: [Color; 10] = [
        Color(31, 119, 180),
        Color(255, 127, 14),
        Color(44, 160, 44),
        Color(214, 39, 40),
        Color(148, 103, 189),
        Color(140, 86, 75),
        Color(227, 119, 194),
        Color(127, 127, 127),
        Color(188, 189, 34),
        Color(23, 190, 207),
    ];

    /// The colour that is `part` of the way (0 to 1) from this one to `other`.
    #[must_use]
    pub fn mix(self, other: Color, part: f32) -> Color {
        let channel = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * part).round() as u8;
        Color(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }
}
